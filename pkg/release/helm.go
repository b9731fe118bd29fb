package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/drift"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
	"github.com/stagecrew/stagecrew/pkg/release/internal/remains"
	"github.com/stagecrew/stagecrew/pkg/release/internal/transport"
)

// Helm would take the name of the file that this program is started from.
func init() { helmkube.ManagedFieldsManager = objectdiff.FieldManager } // Helm offers a variable only

// hookTimeout bounds the chart's hooks where the context has no deadline.
const hookTimeout = 5 * time.Minute

// engine is Helm with its storage and its client.
type engine struct {
	config   *action.Configuration
	records  *verdictDriver
	client   *client
	requests *transport.Changes
}

// connect makes an engine. With records it plans: all writes are dry runs, and
// Helm's records go there.
func (r *Release) connect(records driver.Driver) (*engine, error) {
	requests := transport.New(records != nil)
	get := requests.Getter(r.Cluster.Getter())
	config, err := get.ToRESTConfig()
	if err != nil {
		return nil, record.BadInput("release/helm", "preparing Helm: %w", err)
	}
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, record.BadInput("release/helm", "preparing Helm: %w", err)
	}
	debug := func(format string, args ...any) { r.Log.Debug(apierror.WithoutValues(fmt.Sprintf(format, args...))) }
	helm := helmkube.New(get)
	helm.Log, helm.Namespace, helm.Factory = debug, r.Namespace, &factory{Factory: helm.Factory, cluster: get}
	if records == nil {
		r.guard = &checkedDriver{Driver: keyedDriver{soleDriver{driver.NewSecrets(typed.CoreV1().Secrets(r.Namespace)), typed, r.Namespace}}}
		records = r.guard
	}
	marks := &verdictDriver{Driver: records, notary: r.notary(),
		renders: func(stored *helmrelease.Release) { r.secrets.Learn(r.secretsRecord(stored)) },
		reads:   func(stored *helmrelease.Release) { r.secrets.Tell(r.secretsRecord(stored)) },
	}
	e := &engine{records: marks, requests: requests}
	e.config = &action.Configuration{
		RESTClientGetter: get, Releases: storage.Init(marks), Log: debug,
		HookOutputFunc: func(_, _, _ string) io.Writer { return io.Discard },
	}
	e.client = &client{Client: helm, typed: typed, logs: r.client, requests: requests, log: r.Log, owner: live.Owner{Name: r.Name, Namespace: r.Namespace}, records: e.config.Releases, marks: marks, notary: marks.notary}
	e.client.change = &change{ctx: context.Background()} //nolint:forbidigo // until an operation brings its own
	e.client.compare = &drift.Comparer{Owner: e.client.owner, Client: typed, Log: r.Log}
	e.client.remains = &remains.Remains{Owner: e.client.owner, Log: r.Log, Place: e.client.place, Versioned: helmkube.AsVersioned}
	e.client.judge = judge{watch: r.Watch, describe: r.applied}
	e.config.KubeClient = e.client
	return e, nil
}

// install and upgrade give Helm a context that does not end: its own cancelling
// leaves a goroutine that goes on. The client and the transport end a change instead.
func (e *engine) install(ctx context.Context, r *Release, c *chart.Chart, merged map[string]any, again bool) (*helmrelease.Release, error) {
	install := action.NewInstall(e.config)
	install.ReleaseName, install.Namespace = r.Name, r.Namespace
	install.Timeout, install.Wait, install.Replace = budget(ctx), true, again
	return install.RunWithContext(context.WithoutCancel(ctx), c, merged)
}

func (e *engine) upgrade(ctx context.Context, r *Release, c *chart.Chart, merged map[string]any) (*helmrelease.Release, error) {
	upgrade := action.NewUpgrade(e.config)
	upgrade.Namespace, upgrade.ResetValues = r.Namespace, true
	upgrade.Timeout, upgrade.Wait = budget(ctx), true
	return upgrade.RunWithContext(context.WithoutCancel(ctx), r.Name, c, merged)
}

// apply upgrades a release of which a revision was complete once, and installs
// else: what was uninstalled, and a first install that failed, whose hooks must
// run (https://github.com/helm/helm/issues/8401).
func (e *engine) apply(ctx context.Context, r *Release, c *chart.Chart, merged map[string]any) (*helmrelease.Release, error) {
	records, err := e.config.Releases.History(r.Name)
	if err != nil && !isMissing(err) {
		return nil, err
	}
	if wasComplete(records) {
		return e.upgrade(ctx, r, c, merged)
	}
	return e.install(ctx, r, c, merged, len(records) > 0)
}

// wasComplete reports whether a revision since the last uninstall was applied as
// a whole.
func wasComplete(records []*helmrelease.Release) bool {
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b *helmrelease.Release) int { return b.Version - a.Version })
	for _, stored := range records {
		switch stored.Info.Status {
		case helmrelease.StatusUninstalled:
			return false
		case helmrelease.StatusDeployed:
			return true
		case helmrelease.StatusSuperseded:
			// What Helm writes on an uninstalled one when it installs again.
			return stored.Info.Description != "superseded by new release"
		default: // an older one tells
		}
	}
	return false
}

func (e *engine) rollback(ctx context.Context, r *Release, target *helmrelease.Release, set map[string]string) (*helmrelease.Release, error) {
	e.records.setCopyOf(target)
	e.records.set, e.records.image = set, r.revision(target).Image
	e.client.isRollback = true
	rollback := action.NewRollback(e.config)
	rollback.Version = target.Version
	rollback.Timeout, rollback.Wait = budget(ctx), true
	if err := rollback.Run(r.Name); err != nil {
		return nil, err
	}
	return e.config.Releases.Get(r.Name, e.records.last())
}

// budget is the time left for hooks.
func budget(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return hookTimeout
}

// changeResult is what a change gives.
type changeResult struct {
	applied record.Applied
	err     error
}

// change runs body, whose requests end with ctx. When ctx has ended and body
// does not return in time, it is left behind: it can do nothing more than note
// its failure on Helm's record.
func (r *Release) change(ctx context.Context, body func() (record.Applied, error)) (record.Applied, error) {
	select {
	case r.busy <- struct{}{}:
	case <-ctx.Done():
		return record.Applied{}, ctx.Err()
	}
	e := r.helm
	e.begin(ctx)
	done := make(chan changeResult, 1)
	go func() { // the transport has ctx
		var applied record.Applied
		// The chart's templates run in here, too.
		err := record.Guard(func() (err error) { applied, err = body(); return err })
		e.requests.Free()
		<-r.busy
		done <- changeResult{applied, err}
	}()
	select {
	case o := <-done:
		return o.applied, ended(ctx, o.err)
	case <-ctx.Done():
	}
	select {
	case o := <-done:
		return o.applied, ended(ctx, o.err)
	case <-time.After(r.windDown):
		applied := record.Applied{Revision: record.Revision{Number: e.records.last(), Verdict: record.MarkPending}}
		return applied, fmt.Errorf("changing release %q was stopped before it was complete: %w", r.Name, ctx.Err())
	}
}

// begin ties the engine's requests to ctx.
func (e *engine) begin(ctx context.Context) {
	e.records.forget()
	e.client.change = &change{ctx: ctx}
	e.requests.During(ctx)
}

// ended makes an error after the end of ctx say so to errors.Is. Helm passes
// some errors on as text only.
func ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w (%w)", err, ctx.Err())
}
