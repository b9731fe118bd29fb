package site

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/database"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/migrations/images"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// databases gives images and databases the form that deploy wants.
type databases struct {
	database.Options
	comparison images.Options
}

func (s Site) databases(cluster *kube.Cluster) databases {
	return databases{
		database.Options{
			Client: cluster.Client, Namespace: cluster.Namespace, Variables: s.databaseEnv,
			Tunnel: cluster.DialService, Withhold: s.host.Secrets.Withhold, Log: s.host.Log,
		},
		s.comparison,
	}
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

// Frozen looks whether what runs works with the databases.
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
