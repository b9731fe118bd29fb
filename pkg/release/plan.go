package release

import (
	"context"
	"fmt"
	"slices"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Plan says what [Release.Apply] would change with the image, and changes
// nothing. Helm's own code runs, over a copy of its records, and each of its
// writes is a server-side dry run; hooks are tried, too, but not waited for.
// All objects that the API server would reject are in one error: immutable
// fields under release/immutable-field with what to do, others under
// release/rejected. In a namespace that does not exist yet objects count as
// created and only their form is checked.
func (r *Release) Plan(ctx context.Context, image pipeline.Image) (pipeline.Plan, error) {
	chart, err := r.chart()
	if err != nil {
		return pipeline.Plan{}, err
	}
	merged, err := r.values(image)
	if err != nil {
		return pipeline.Plan{}, err
	}
	return r.plan(ctx, "planning to apply chart "+r.Chart, kindsOf(chart.CRDObjects()), func(e *engine) (*helmrelease.Release, error) {
		return e.apply(ctx, r, chart, merged)
	})
}

// PlanRollback says what [Release.Rollback] would change, see [Release.Plan].
func (r *Release) PlanRollback(ctx context.Context, to int) (pipeline.Plan, error) {
	target, err := r.record(to)
	if err != nil {
		return pipeline.Plan{}, err
	}
	if err := r.notary().check(target); err != nil {
		return pipeline.Plan{}, err
	}
	return r.plan(ctx, fmt.Sprintf("planning to roll back to revision %d", to), nil, func(e *engine) (*helmrelease.Release, error) {
		return e.rollback(ctx, r, target)
	})
}

// plan runs a change in an engine that only tries.
func (r *Release) plan(
	ctx context.Context, doing string, coming []schema.GroupKind, change func(*engine) (*helmrelease.Release, error),
) (pipeline.Plan, error) {
	memory, err := r.copyOfRecords()
	if err != nil {
		return pipeline.Plan{}, err
	}
	e, err := r.connect(memory)
	if err != nil {
		return pipeline.Plan{}, err
	}
	trial := &trial{client: e.client, coming: coming}
	e.config.KubeClient = trial
	e.begin(ctx)
	record, err := change(e)
	switch {
	case ctx.Err() != nil:
		return pipeline.Plan{}, ctx.Err()
	case len(trial.rejections) > 0:
		return pipeline.Plan{}, rejected(doing, trial.rejections)
	case err != nil:
		return pipeline.Plan{}, r.unapplied(doing, err)
	}
	applied, err := r.applied(record)
	if err != nil {
		return pipeline.Plan{}, err
	}
	trial.changes = append(trial.changes, trial.untried...)
	secret := secretValues(record.Manifest, hooksOf(record))
	for i := range trial.changes {
		trial.changes[i].Diff = withhold(trial.changes[i].Diff, secret)
	}
	return pipeline.Plan{Manifest: record.Manifest + hooksOf(record), Applied: applied, Changes: trial.changes}, nil
}

// copyOfRecords gives Helm's records in memory, as they would be after an
// interrupted change was settled.
func (r *Release) copyOfRecords() (driver.Driver, error) {
	memory := driver.NewMemory()
	memory.SetNamespace(r.Namespace)
	records, err := r.helm.config.Releases.History(r.Name)
	if isMissing(err) {
		return memory, nil
	}
	if err != nil {
		return nil, classify("reading the history", err)
	}
	slices.SortFunc(records, func(a, b *helmrelease.Release) int { return a.Version - b.Version })
	if len(records) > 0 {
		if err := r.mayChange(records[len(records)-1]); err != nil {
			return nil, err
		}
	}
	for _, record := range records {
		record, info := *record, *record.Info
		if record.Info = &info; info.Status.IsPending() {
			info.Status = helmrelease.StatusFailed
		}
		if err := memory.Create(fmt.Sprintf("sh.helm.release.v1.%s.v%d", record.Name, record.Version), &record); err != nil {
			return nil, err
		}
	}
	return memory, nil
}
