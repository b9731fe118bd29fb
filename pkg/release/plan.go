package release

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/bounded"
	"github.com/stagecrew/stagecrew/pkg/release/internal/forecast"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// Plan says what [Release.Apply] would change with the image, and changes
// nothing. Helm's own code runs, over a copy of its records, and each of its
// writes is a server-side dry run; hooks are tried, too, but not waited for.
// All objects that the API server would reject are in one error: immutable
// fields under release/immutable-field with what to do, others under
// release/rejected. What the user of the kubeconfig may not do is in Denied: the
// manifest is given all the same, so that everything that is missing can be
// looked for at once. In a namespace that does not exist yet objects count as
// created and only their form is checked.
func (r *Release) Plan(ctx context.Context, image record.Image) (record.Plan, error) {
	chart, merged, err := r.prepare(ctx, image)
	if err != nil {
		return record.Plan{}, err
	}
	dry := &planClient{crds: folderCRDs(chart)}
	if !image.IsBuilt() {
		_, dry.unbuilt, _ = strings.Cut(image.Digest, ":")
	}
	var rendering *engine
	plan, stored, err := r.plan(ctx, "planning to apply chart "+r.Chart, dry, func(e *engine) (*helmrelease.Release, error) {
		rendering = e
		return e.apply(ctx, r, chart, merged)
	})
	if stored != nil {
		r.planned(image, imagesOf(stored))
		plan.Concerns = slices.Concat(dry.outdated(chart), dry.remarks(plan.Manifest), rendering.again(chart, merged, stored, dry.first), dry.podsRefused(stored), r.repeated(chart), r.byHand(ctx), r.wayBack(ctx))
	}
	plan.Image, plan.ImagePaths = image, manifest.ImagePaths(over(defaults(chart), merged), r.ImageValuesPath)
	return plan, err
}

// PlanRollback says what [Release.Rollback] would change, see [Release.Plan].
func (r *Release) PlanRollback(ctx context.Context, to int) (record.Plan, error) {
	target, err := r.record(ctx, to)
	if err != nil {
		return record.Plan{}, err
	}
	if err := r.notary().Check(verdictRecord(target)); err != nil {
		return record.Plan{}, err
	}
	plan, _, err := r.plan(ctx, fmt.Sprintf("planning to roll back to revision %d", to), &planClient{}, func(e *engine) (*helmrelease.Release, error) {
		return e.rollback(ctx, r, target, nil)
	})
	if err == nil {
		plan.Concerns = r.byHand(ctx)
	}
	return plan, err
}

// plan runs a change in an engine that only tries.
func (r *Release) plan(
	ctx context.Context, doing string, dry *planClient, change func(*engine) (*helmrelease.Release, error),
) (record.Plan, *helmrelease.Release, error) {
	memory, err := r.copyOfRecords(ctx)
	if err != nil && !apierror.LacksPermission(err.Error()) {
		return record.Plan{}, nil, err
	}
	if err != nil {
		// What else is missing is found by going on as if there were no record.
		dry.denied = append(dry.denied, apierror.Message(err))
		memory = driver.NewMemory()
	}
	e, err := r.connect(&checkedDriver{Driver: memory})
	if err != nil {
		return record.Plan{}, nil, err
	}
	// Helm makes the definitions of crds when it installs.
	records, _ := e.config.Releases.History(r.Name) // they are in memory
	dry.client, dry.doing, dry.first = e.client, doing, !wasComplete(records)
	e.config.KubeClient = dry
	e.begin(ctx)
	var stored *helmrelease.Release
	// The chart's templates run in here, before any change does.
	if err := bounded.Stacks(func() error { stored, err = change(e); return nil }); err != nil {
		return record.Plan{}, nil, err
	}
	switch {
	case ctx.Err() != nil:
		return record.Plan{}, nil, ctx.Err()
	case err != nil && apierror.LacksPermission(err.Error()) && dry.manifest != "":
		dry.denied = append(dry.denied, apierror.Message(err))
		return record.Plan{Manifest: dry.manifest, Denied: dry.denied[0]}, nil, nil
	case len(dry.rejections) > 0:
		return record.Plan{}, nil, forecast.Rejected(doing, dry.rejections)
	case err != nil && notOurs.MatchString(err.Error()):
		// Nothing is found where the object was removed, or handed over, meanwhile.
		return record.Plan{}, nil, cmp.Or(dry.refuseForeign(dry.current, dry.built), r.unapplied(doing, err))
	case err != nil:
		return record.Plan{}, nil, r.unapplied(doing, err)
	}
	plan, err := r.planOf(stored, dry)
	return plan, stored, err
}

// planOf is what a dry run that came to its end says.
func (r *Release) planOf(stored *helmrelease.Release, dry *planClient) (record.Plan, error) {
	applied, err := r.applied(stored)
	if err != nil {
		return record.Plan{}, err
	}
	changes := slices.Concat(dry.changes, dry.untried)
	secret := manifest.SecretValues(stored.Manifest, hooksOf(stored))
	for i := range changes {
		changes[i].Diff = manifest.Withhold(changes[i].Diff, secret)
	}
	plan := record.Plan{Manifest: stored.Manifest + hooksOf(stored), Applied: applied, Changes: changes, Deletions: dry.deleted}
	if len(dry.denied) > 0 {
		plan.Denied = dry.denied[0]
	}
	return plan, nil
}

// planned remembers the images that a chart renders.
func (r *Release) planned(image record.Image, images []string) {
	if r.images == nil {
		r.images = map[record.Image][]string{}
	}
	r.images[image] = images
}

// copyOfRecords gives Helm's records in memory, as they would be after an
// interrupted change was settled.
func (r *Release) copyOfRecords(ctx context.Context) (driver.Driver, error) {
	memory := driver.NewMemory()
	memory.SetNamespace(r.Namespace)
	records, err := bounded.Read(ctx, func() ([]*helmrelease.Release, error) { return r.helm.config.Releases.History(r.Name) })
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
	for _, stored := range records {
		stored, info := *stored, *stored.Info
		if stored.Info = &info; info.Status.IsPending() {
			info.Status = helmrelease.StatusFailed
		}
		if err := memory.Create(fmt.Sprintf("sh.helm.release.v1.%s.v%d", stored.Name, stored.Version), &stored); err != nil {
			return nil, err
		}
	}
	return memory, nil
}
