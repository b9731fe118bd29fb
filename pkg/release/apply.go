package release

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/cli/values"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/registry"
	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// hookTimeout bounds the chart's hooks where the context has no deadline.
const hookTimeout = 5 * time.Minute

// Apply installs or upgrades the release with the image. It returns when the API
// server has taken all objects; nothing is waited for. The caller holds the lock.
// When the chart or its values are wrong nothing has changed; an [*ApplyError]
// means that a revision was written and failed.
func (r *Release) Apply(ctx context.Context, image pipeline.Verified) (pipeline.Applied, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Applied{}, err
	}
	chart, err := r.chart()
	if err != nil {
		return pipeline.Applied{}, err
	}
	merged, err := r.values(image.Image())
	if err != nil {
		return pipeline.Applied{}, err
	}
	last, err := r.settle()
	if err != nil {
		return pipeline.Applied{}, err
	}
	var record *helmrelease.Release
	if last == 0 {
		record, err = r.install(ctx, chart, merged)
	} else {
		record, err = r.upgrade(ctx, chart, merged)
	}
	if err != nil {
		return r.failed("applying chart "+r.Chart, last, err)
	}
	return r.applied(record)
}

// Rollback makes a new revision that is a copy of an earlier one. The caller
// holds the lock.
func (r *Release) Rollback(ctx context.Context, to int) (pipeline.Applied, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Applied{}, err
	}
	target, err := r.helm.Releases.Get(r.Name, to)
	if err != nil {
		return pipeline.Applied{}, classify(fmt.Sprintf("reading revision %d", to), err)
	}
	last, err := r.settle()
	if err != nil {
		return pipeline.Applied{}, err
	}
	r.marks.copyOf = origin(target)
	rollback := action.NewRollback(r.helm)
	rollback.Version = to
	rollback.Timeout = budget(ctx)
	if err := rollback.Run(r.Name); err != nil {
		return r.failed(fmt.Sprintf("rolling back to revision %d", to), last, err)
	}
	return r.Describe(ctx, r.marks.created)
}

// origin follows copies to the revision that was applied first.
func origin(record *helmrelease.Release) int {
	if first, err := strconv.Atoi(record.Labels[labelOrigin]); err == nil && first > 0 {
		return first
	}
	return record.Version
}

// settle gives the number of the last revision, 0 for none, and ends a pending
// one: the lock is held, so whoever left it pending is gone, and Helm would
// refuse every further change.
func (r *Release) settle() (int, error) {
	last, err := r.helm.Releases.Last(r.Name)
	if isMissing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, classify("reading the last revision", err)
	}
	if last.Info.Status.IsPending() {
		r.Log.Warn("an earlier run was ended in the middle of a change", "revision", last.Version, "status", last.Info.Status)
		last.SetStatus(helmrelease.StatusFailed, "its run ended before it was complete")
		if err := r.helm.Releases.Update(last); err != nil {
			return 0, classify("ending a pending revision", err)
		}
	}
	return last.Version, nil
}

func (r *Release) install(ctx context.Context, c *chart.Chart, merged map[string]any) (*helmrelease.Release, error) {
	install := action.NewInstall(r.helm)
	install.ReleaseName, install.Namespace, install.CreateNamespace = r.Name, r.Namespace, true
	install.Timeout = budget(ctx)
	// Helm's own cancelling leaves a goroutine that goes on changing the release.
	return install.RunWithContext(context.WithoutCancel(ctx), c, merged)
}

func (r *Release) upgrade(ctx context.Context, c *chart.Chart, merged map[string]any) (*helmrelease.Release, error) {
	upgrade := action.NewUpgrade(r.helm)
	upgrade.Namespace, upgrade.ResetValues = r.Namespace, true
	upgrade.Timeout = budget(ctx)
	return upgrade.RunWithContext(context.WithoutCancel(ctx), r.Name, c, merged)
}

// budget is the time left for hooks.
func budget(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return hookTimeout
}

// failed says what a failed change left: a revision of ours, or nothing. A newer
// revision that this process did not create is somebody else's and stays as it is.
func (r *Release) failed(doing string, last int, err error) (pipeline.Applied, error) {
	if r.marks.created <= last {
		return pipeline.Applied{}, r.unapplied(doing, err)
	}
	rejected := &ApplyError{Cause: r.cause(err), Revision: r.marks.created}
	applied := pipeline.Applied{Revision: pipeline.Revision{Number: r.marks.created, Verdict: pipeline.MarkPending}}
	record, readErr := r.helm.Releases.Get(r.Name, r.marks.created)
	if readErr != nil {
		r.Log.Warn("reading the revision that failed", "revision", r.marks.created, "error", readErr)
		return applied, rejected
	}
	if record.Info.Status.IsPending() {
		record.SetStatus(helmrelease.StatusFailed, words(err))
		if updateErr := r.helm.Releases.Update(record); updateErr != nil {
			r.Log.Warn("noting that the revision failed; the next run will", "revision", record.Version, "error", updateErr)
		}
	}
	applied.Revision = r.revision(record)
	return applied, rejected
}

// chart loads the chart from a directory, an archive or a registry.
func (r *Release) chart() (*chart.Chart, error) {
	if r.Chart == "" {
		return nil, pipeline.BadInput("release/no-chart", "--chart: a chart is missing; give a directory or an oci:// reference")
	}
	path := r.Chart
	if registry.IsOCI(path) {
		client, err := registry.NewClient()
		if err != nil {
			return nil, fmt.Errorf("preparing the chart registry's client: %w", err)
		}
		install := action.NewInstall(r.helm)
		install.SetRegistryClient(client)
		if path, err = install.LocateChart(path, cli.New()); err != nil {
			return nil, pipeline.Unavailable("release/chart-unreachable", "fetching chart %s: %w", r.Chart, err)
		}
	}
	c, err := loader.Load(path)
	if err != nil {
		return nil, pipeline.BadInput("release/chart", "loading chart %s: %w", r.Chart, err)
	}
	return c, nil
}

// values merges files, --set and the image.
func (r *Release) values(image pipeline.Image) (map[string]any, error) {
	options := values.Options{ValueFiles: r.Values, Values: r.Set}
	merged, err := options.MergeValues(getter.All(cli.New()))
	if err != nil {
		return nil, pipeline.BadInput("release/values", "reading the chart's values: %w", err)
	}
	at := merged
	for _, key := range strings.Split(r.ImageValuesPath, ".") {
		next, ok := at[key].(map[string]any)
		if !ok {
			if at[key] != nil {
				return nil, pipeline.BadInput("release/values", "--image-values-path %s: %q is not a mapping in the values", r.ImageValuesPath, key)
			}
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	at["repository"], at["digest"] = image.Repository, image.Digest
	return merged, nil
}
