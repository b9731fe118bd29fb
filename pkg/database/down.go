package database

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/database/jobs"
	"github.com/stagecrew/stagecrew/pkg/record"
)

//go:embed down.js
var downScript string

// Down takes migrations back with the files of the image that has them: a Job runs it
// beside the database, with the variables of the release's own container, and knex's own
// way back, one after the other.
type Down struct {
	Options
	// Release names the Job, which has it as a label.
	Release string
}

// Check looks, without changing anything, whether pods may be stopped and the Job be made.
func (d Down) Check(ctx context.Context, workloads []record.Workload) error {
	job, err := d.job(ctx, workloads, nil)
	if err != nil {
		return err
	}
	if err := jobs.MayMake(ctx, d.Client, job, "takes migrations back"); err != nil {
		return err
	}
	return MayStop(ctx, d.Options, workloads)
}

// Run stops the pods of the workloads, which would migrate again, and takes the
// migrations back, in the order in which they stand. It says which are out and which are
// still in, by what the databases hold then. Pods are started again where none is out.
// A Job that runs when ctx ends goes on to its own end.
func (d Down) Run(ctx context.Context, workloads []record.Workload, down []record.AppliedMigration) (record.DatabaseUndo, error) {
	job, err := d.job(ctx, workloads, down)
	if err != nil {
		return record.DatabaseUndo{Left: down}, err
	}
	database, err := Find(ctx, d.Options, workloads)
	if err != nil {
		return record.DatabaseUndo{Left: down}, err
	}
	if err := Stop(ctx, d.Options, workloads); err != nil {
		return record.DatabaseUndo{Left: down}, d.startAgain(ctx, workloads, err)
	}
	said, err := d.run(ctx, job)
	if ctx.Err() != nil {
		return record.DatabaseUndo{Left: down}, err
	}
	done, askErr := database.still(ctx, down)
	switch {
	case err == nil && askErr == nil && len(done.Left) == 0:
		return done, nil
	case err == nil && askErr != nil:
		return done, fmt.Errorf("looking whether the migrations are out: %w", askErr)
	case err == nil:
		err = record.Refused("database/still-in", "the Job ended well, and %d migrations are in all the same", len(done.Left))
	}
	if said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	if len(done.Out) == 0 && askErr == nil {
		return done, d.startAgain(ctx, workloads, err)
	}
	return done, fmt.Errorf("%w; out are %s, in are %s; its pods are stopped, as they would migrate again: mend it, and `stagecrew recover --release %s --namespace %s --on-migrated migrate-down` goes on",
		err, listed(done.Out), listed(done.Left), d.Release, d.Namespace)
}

// startAgain starts pods again for which nothing has changed.
func (d Down) startAgain(ctx context.Context, workloads []record.Workload, why error) error {
	if err := Start(ctx, d.Options, workloads); err != nil {
		return fmt.Errorf("%w; its pods are stopped, and could not be started again: %w", why, err)
	}
	return why
}

func listed(all []record.AppliedMigration) string {
	if len(all) == 0 {
		return "none"
	}
	list := make([]string, len(all))
	for i, one := range all {
		list[i] = one.Name
	}
	return strings.Join(list, ", ")
}

// still sorts migrations by whether they are in.
func (d *Database) still(ctx context.Context, down []record.AppliedMigration) (done record.DatabaseUndo, err error) {
	all, err := d.Applied(ctx)
	if err != nil {
		return record.DatabaseUndo{Left: down}, err
	}
	for _, one := range down {
		in := slices.ContainsFunc(all.Tables, func(t record.MigrationTable) bool {
			return t.Database == one.Database && t.Schema == one.Schema && t.Name == one.Table && slices.ContainsFunc(t.Rows, func(r record.MigrationRow) bool {
				return r.Name == one.Name || strings.HasSuffix(r.Name, "/"+one.Name)
			})
		})
		if in {
			done.Left = append(done.Left, one)
		} else {
			done.Out = append(done.Out, one)
		}
	}
	return done, nil
}

// order is what the script gets.
func (d Down) order(down []record.AppliedMigration) (string, error) {
	names, err := readVariables(d.Variables)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"down": down, "variables": names})
	return string(text), err
}

// container is the one of the workloads that uses the database, with the pod around it.
func (o Options) container(ctx context.Context, workloads []record.Workload) (w record.Workload, spec corev1.PodSpec, c corev1.Container, err error) {
	names, err := readVariables(o.Variables)
	if err != nil {
		return w, spec, c, err
	}
	e := &environment{o: o}
	for _, w := range workloads {
		spec, err := e.podSpec(ctx, w)
		if err != nil {
			return w, spec, c, err
		}
		for _, c := range spec.Containers {
			found, _, err := e.place(ctx, w.Namespace, corev1.PodSpec{Containers: []corev1.Container{c}}, names)
			if err != nil || found.host != "" {
				return w, spec, c, err
			}
		}
	}
	return w, spec, c, errorNone()
}
