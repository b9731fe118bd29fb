package site

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/database"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/migrations/images"
	"github.com/stagecrew/stagecrew/pkg/preflight"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// databases gives images and databases the form that deploy wants.
type databases struct {
	database.Options
	comparison images.Options
	policy     // nil where it does nothing: [record.MigratedPolicy.Undoes] says so before it is called
}

func (s Site) databases(cluster *kube.Cluster) databases {
	return databases{s.databaseOptions(cluster), s.comparison, s.policy(cluster)}
}

func (s Site) databaseOptions(cluster *kube.Cluster) database.Options {
	return database.Options{
		Client: cluster.Client, Namespace: cluster.Namespace, Variables: s.databaseEnv,
		Tunnel: cluster.DialService, Withhold: s.host.Secrets.Withhold, Log: s.host.Log,
	}
}

// Foresee compares the live image with the next. Whatever goes wrong leaves it unknown.
func (d databases) Foresee(ctx context.Context, live, next string, plan record.Plan) *record.Migrations {
	o := d.comparison
	o.Said, o.From = preflight.Said(plan.Manifest)
	var m record.Migrations
	err := record.Guard(func() (err error) {
		m, err = images.Compare(ctx, o, live, next)
		return err
	})
	if err != nil {
		m = migrations.Unknown(err.Error())
		m.From, m.To = live, next
	}
	d.Log.Info(m.String(), "live", live, "bytes", m.Bytes)
	return &m
}

// Compare compares the migrations of two images.
func (d databases) Compare(ctx context.Context, from, to string) (record.Migrations, error) {
	return images.Compare(ctx, d.comparison, to, from)
}

// Ask asks the database of the pods.
func (d databases) Ask(ctx context.Context, workloads []record.Workload, m record.Migrations) (record.DatabaseState, error) {
	found, err := database.Find(ctx, d.Options, workloads)
	if err != nil {
		return record.DatabaseState{}, err
	}
	all, err := found.Applied(ctx)
	return database.In(m, all), err
}

// Frozen checks whether what runs works with the databases.
func (d databases) Frozen(ctx context.Context, workloads []record.Workload) (*record.Cause, error) {
	return database.Frozen(ctx, d.Options, workloads)
}

// Start starts what was stopped.
func (d databases) Start(ctx context.Context, workloads []record.Workload) error {
	return database.Start(ctx, d.Options, workloads)
}

// Unlock frees what killed migrations have locked.
func (d databases) Unlock(ctx context.Context, workloads []record.Workload) ([]record.MigrationTable, error) {
	found, err := database.Find(ctx, d.Options, workloads)
	if err != nil {
		return nil, err
	}
	return found.Unlock(ctx)
}
