package deploy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// fakeCluster keeps a history as Helm does and behaves by the name of the image:
// "crash" never becomes ready, "mute" fails its smoke check, "unheard" cannot be
// asked, "shaky" breaks while soaking, "fading" fails its check then, "sick" fails one check of two, "zero" wants no
// pod, "config" has no workload, "custom" has one that cannot be watched, "worker"
// answers no HTTP, "schema" migrates, "locked" meets a lock, "rollout" is worker and custom, "gone" was deleted by hand, "swapped" has another image in a pod. on is
// called with the name of each thing that happens, several at a time.
type fakeCluster struct {
	mu         sync.Mutex
	slow       time.Duration     // of the smoke checks
	history    []record.Revision // newest first
	on         func(what string)
	errs       map[string]error // by what happens
	concerns   []record.Concern
	notes      []string // what a soak does not prove
	beside     []string // what of other objects is not as it should be
	migrations *record.Migrations
	drift      []record.Change
	journals   []record.Journal
	probed     []Targets
	watched    []record.Applied
	calls      []string
	state      *record.DatabaseState // what the databases say; nil for none that is known
	asked      [][]record.Workload   // by whose pods the databases were found
	set        map[string]string     // what the last rollback gave its containers
	holder     string
	lose       context.CancelCauseFunc
	connects   int
}

func (f *fakeCluster) connect() (Cluster, error) {
	f.connects++
	return Cluster{Namespace: "prod", History: f, Changer: f, Check: f.check, Locker: f, Watcher: f, Prober: f, Databases: f}, f.broken("connect")
}

func (f *fakeCluster) happens(what string) error {
	f.mu.Lock()
	f.calls = append(f.calls, what)
	f.mu.Unlock()
	if f.on != nil {
		f.on(what)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.errs[what]
}

// fails makes something fail from now on.
func (f *fakeCluster) fails(what string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs[what] = err
}

// broken is why something fails, nil when it does not.
func (f *fakeCluster) broken(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.errs[what]
}

func (f *fakeCluster) History(ctx context.Context) ([]record.Revision, error) {
	return slices.Clone(f.history), errors.Join(ctx.Err(), f.broken("history"))
}

func (f *fakeCluster) Describe(_ context.Context, revision int) (record.Applied, error) {
	if err := f.happens("describe"); err != nil {
		return record.Applied{}, err
	}
	for _, r := range f.history {
		if r.Number == revision {
			return applied(r), nil
		}
	}
	return record.Applied{}, errors.New("no such revision")
}

func (f *fakeCluster) Mark(ctx context.Context, revision int, mark record.Mark) error {
	if err := errors.Join(f.happens("mark "+string(mark)), ctx.Err()); err != nil {
		return err
	}
	for i := range f.history {
		if f.history[i].Number == revision {
			f.history[i].Verdict = mark
			return nil
		}
	}
	return errors.New("no such revision")
}

func (f *fakeCluster) Drift(context.Context, int) ([]record.Change, error) {
	err := f.happens("drift")
	return f.drift, err
}

func (f *fakeCluster) Doubts(context.Context, int) ([]string, error) { return f.beside, nil }

func (f *fakeCluster) Diff(ctx context.Context, _, _ int) (string, error) {
	return "-image: old\n+image: new\n+password: open-sesame\n", ctx.Err()
}

func (f *fakeCluster) Secrets(ctx context.Context, _ int) ([]string, error) {
	return []string{"open-sesame", "backstage"}, errors.Join(ctx.Err(), f.broken("secrets"))
}

func (f *fakeCluster) Plan(_ context.Context, image record.Image) (record.Plan, error) {
	return record.Plan{Changes: []record.Change{{Object: image.String(), Action: "update"}}}, f.broken("plan")
}

func (f *fakeCluster) PlanRollback(_ context.Context, to int) (record.Plan, error) {
	revision := record.Revision{Number: to}
	for _, there := range f.history {
		if there.Number == to {
			revision.Image = there.Image
		}
	}
	return record.Plan{Changes: []record.Change{{Object: "Deployment/backstage", Action: "update"}}, Applied: record.Applied{Revision: revision}}, f.broken("plan")
}

// Foresee knows what the test has said.
func (f *fakeCluster) Foresee(_ context.Context, live, next string, _ record.Plan) *record.Migrations {
	if f.migrations == nil {
		return nil
	}
	m := *f.migrations
	m.From, m.To = live, next
	return &m
}

func (f *fakeCluster) check(context.Context, record.Plan) ([]record.Concern, error) {
	if err := f.happens("check"); err != nil {
		return nil, err
	}
	for _, c := range f.concerns {
		if c.Blocks {
			return f.concerns, record.Refused("deploy/preflight", "the deploy would fail: %s", c)
		}
	}
	return f.concerns, nil
}

func (f *fakeCluster) Lock(ctx context.Context, holder string) (context.Context, func(context.Context) error, error) {
	if err := f.happens("lock"); err != nil {
		return nil, nil, err
	}
	f.holder = holder
	held, lose := context.WithCancelCause(ctx)
	f.lose = lose
	return held, func(context.Context) error { f.holder = ""; return nil }, nil
}

func (f *fakeCluster) Note(_ context.Context, j record.Journal) error {
	if err := f.broken("note"); err != nil {
		return err
	}
	f.journals = append(f.journals, j)
	return nil
}

func (f *fakeCluster) Journal(context.Context) (record.Journal, error) {
	if len(f.journals) == 0 || f.broken("journal") != nil {
		return record.Journal{}, f.broken("journal")
	}
	return f.journals[len(f.journals)-1], nil
}

func (f *fakeCluster) Apply(_ context.Context, image record.Verified) (record.Applied, error) {
	err := f.happens("apply")
	if err != nil && !errors.As(err, new(rejected)) {
		return record.Applied{}, err
	}
	return f.push(record.Revision{Image: image.Image().String()}, err), err
}

func (f *fakeCluster) Rollback(_ context.Context, to int, set map[string]string) (record.Applied, error) {
	f.set = set
	if err := f.happens("rollback"); err != nil {
		return record.Applied{}, err
	}
	for _, r := range f.history {
		if r.Number == to {
			origin := to
			if r.Origin != 0 {
				origin = r.Origin
			}
			return f.push(record.Revision{Image: r.Image, Origin: origin}, nil), nil
		}
	}
	return record.Applied{}, errors.New("no such revision")
}

func (f *fakeCluster) push(r record.Revision, err error) record.Applied {
	r.Number, r.Status, r.Verdict = len(f.history)+1, "failed", record.MarkPending
	if err == nil {
		r.Status = record.StatusDeployed
		for i := range f.history {
			if f.history[i].Status == record.StatusDeployed {
				f.history[i].Status = record.StatusSuperseded
			}
		}
	}
	f.history = append([]record.Revision{r}, f.history...)
	return applied(r)
}

// applied names the workload after the image, so that Watch can tell them apart.
func applied(r record.Revision) record.Applied {
	a := record.Applied{Revision: r, Workloads: []record.Workload{{Kind: "Deployment", Name: r.Image}}}
	if has(r.Image, "config", "custom") {
		a.Workloads = nil
	}
	if has(r.Image, "nightly") {
		a.Later = "CronJob/nightly"
	}
	if has(r.Image, "custom", "rollout") {
		a.Unwatched = []string{"Rollout.argoproj.io/web cannot be watched"}
	}
	return a
}

func has(name string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(name, word) })
}

func (f *fakeCluster) Watch(ctx context.Context, a record.Applied) (record.Rollout, error) {
	if err := f.happens("watch"); err != nil {
		return record.Rollout{}, err
	}
	f.mu.Lock()
	f.watched = append(f.watched, a)
	f.mu.Unlock()
	name := a.Revision.Image
	var result record.Rollout
	result.Unproven = a.Unwatched
	switch {
	case has(name, "crash"):
		return record.Rollout{Cause: &record.Cause{Code: "rollout/crash-loop", Object: "Pod/a", Reason: "Error", Message: "backstage: exit code 1: open-sesame"}}, nil
	case has(name, "locked"):
		return record.Rollout{Cause: &record.Cause{Code: "rollout/log-pattern", Object: "Pod/a", Message: "caused by MigrationLocked: Migration table is already locked", MetLock: true}}, nil
	case has(name, "swapped"):
		return record.Rollout{Cause: &record.Cause{Code: "rollout/image-differs", Object: "Pod/a", Reason: "ImageDiffers"}}, nil
	case has(name, "gone"):
		return record.Rollout{Cause: &record.Cause{Code: "rollout/deleted", Object: "Deployment/backstage", Reason: "NotFound"}}, nil
	case has(name, "zero"):
		result.Idle = true
	case !has(name, "worker", "config", "custom", "rollout"):
		result.Pods = []record.Pod{{Name: name}}
		result.Services = []record.Service{{Name: name, Port: 80}}
	}
	return result, ctx.Err()
}

func (f *fakeCluster) Hold(ctx context.Context, a record.Applied, d time.Duration) (*record.Cause, []string, error) {
	if err := f.happens("hold"); err != nil {
		return nil, nil, err
	}
	if has(a.Revision.Image, "shaky") {
		return &record.Cause{Code: "rollout/not-stable", Object: "Pod/a"}, nil, nil
	}
	select {
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case <-time.After(d):
		return nil, f.notes, nil
	}
}

func (f *fakeCluster) Collect(_ context.Context, a record.Applied, cause record.Cause) record.Evidence {
	_ = f.happens("collect")
	return record.Evidence{Cause: cause, Pods: []record.PodState{{Name: a.Revision.Image}},
		Logs: []record.Log{{Pod: "a", Text: "connecting with open-sesame"}}}
}

func (f *fakeCluster) Probe(ctx context.Context, to Targets) ([]record.Check, error) {
	if err := f.happens("probe"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.probed = append(f.probed, to)
	f.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(f.slow):
	}
	if len(to.Pods) == 0 {
		if len(to.Services) > 0 && strings.Contains(to.Services[0].Name, "fading") {
			return []record.Check{{Name: "readiness", Target: "Service/a", Kind: record.TargetService, Result: record.CheckFailed, Detail: "status 500"}}, ctx.Err()
		}
		return nil, ctx.Err()
	}
	name, result := to.Pods[0].Name, record.CheckPassed
	switch {
	case strings.Contains(name, "mute"):
		result = record.CheckFailed
	case strings.Contains(name, "unheard"):
		result = record.CheckInconclusive
	}
	checks := []record.Check{{Name: "readiness", Target: "Pod/a", Kind: record.TargetPod, Result: result, Detail: "status 503"}}
	if strings.Contains(name, "sick") {
		checks = append(checks, record.Check{Name: "page", Target: "Pod/a", Kind: record.TargetPod, Result: record.CheckFailed, Detail: "status 404"})
	}
	return checks, ctx.Err()
}

func image(name string) record.Verified {
	return record.NewVerified(record.Image{Repository: "registry.test/" + name, Digest: "sha256:" + strings.Repeat("0", 64)}, "key")
}

func (f *fakeCluster) options() Options {
	return Options{Release: "backstage", Namespace: "prod", Holder: "test", Connect: f.connect, Timeout: time.Minute, RollbackTimeout: 5 * time.Minute, Asks: true, OnMigrated: record.MigratedStop}
}

func (f *fakeCluster) deploy(t *testing.T, name string) record.Record {
	t.Helper()
	result, err := Deploy(t.Context(), image(name), f.options())
	require.NoError(t, err)
	require.Empty(t, f.holder, "the lock is released")
	return result
}

// installed is a cluster on which an image was deployed and proven.
func installed(t *testing.T, names ...string) *fakeCluster {
	t.Helper()
	f := &fakeCluster{errs: map[string]error{}}
	for _, name := range names {
		f.deploy(t, name)
	}
	f.calls, f.journals, f.probed, f.connects = nil, nil, nil, 0
	return f
}

// rejected is an apply that the API server refused in the middle.
type rejected struct{ record.Cause }

func (r rejected) Error() string             { return r.Message }
func (r rejected) DeployCause() record.Cause { return r.Cause }

// Compare tells images by their names: those with "schema" have migrations that the others
// lack, and of those with "odd" nothing is known.
func (f *fakeCluster) Compare(_ context.Context, from, to string) (record.Migrations, error) {
	switch {
	case has(from, "odd"):
		return record.Migrations{Rollback: record.RollbackUnknown, Why: "nothing tells"}, f.happens("compare")
	case has(from, "word"):
		return record.Migrations{Rollback: record.RollbackNeedsDatabase, Why: "the label says forward-only"}, f.happens("compare")
	case has(from, "schema") && !has(to, "schema"):
		return record.Migrations{Rollback: record.RollbackNeedsDatabase, Why: "catalog adds 2 migrations", Plugins: []record.PluginMigrations{catalog}}, f.happens("compare")
	}
	return record.Migrations{Rollback: record.RollbackFree, From: to, To: from}, f.happens("compare")
}

var catalog = record.PluginMigrations{Plugin: "catalog", Folder: "catalog/migrations", Change: record.MigratesUp, Added: []string{"2_a.js", "3_b.js"}}

func (f *fakeCluster) Ask(ctx context.Context, workloads []record.Workload, _ record.Migrations) (record.DatabaseState, error) {
	f.asked = append(f.asked, workloads)
	if err := errors.Join(f.happens("ask"), ctx.Err()); err != nil {
		return record.DatabaseState{}, err
	}
	if f.state == nil {
		return record.DatabaseState{}, record.Refused("database/none-known", "no database is known")
	}
	return *f.state, nil
}

func (f *fakeCluster) Start(context.Context, []record.Workload) error { return f.happens("start") }

func (f *fakeCluster) Unlock(context.Context, []record.Workload) ([]record.MigrationTable, error) {
	if err := f.happens("unlock"); err != nil {
		return nil, err
	}
	freed := f.state.Locked
	f.state.Locked = nil
	return freed, nil
}

// PrepareUndo and what follows are a policy that takes back what the databases hold.
func (f *fakeCluster) PrepareUndo(ctx context.Context, _ Undoing) error {
	return errors.Join(f.happens("prepare"), ctx.Err())
}

func (f *fakeCluster) PlanUndo(ctx context.Context, u Undoing) (string, error) {
	return "takes " + u.State.Down[0].Name + " back", errors.Join(f.happens("announce"), ctx.Err())
}

func (f *fakeCluster) Undo(ctx context.Context, u Undoing) (record.DatabaseUndo, error) {
	if err := errors.Join(f.happens("undo"), ctx.Err()); err != nil {
		return record.DatabaseUndo{Out: u.State.Down[:1], Left: u.State.Down[1:]}, err
	}
	return record.DatabaseUndo{Out: u.State.Down}, nil
}

func (f *fakeCluster) Frozen(ctx context.Context, _ []record.Workload) (*record.Cause, error) {
	err := f.happens("prove")
	if errors.As(err, new(rejected)) {
		return &record.Cause{Code: "deploy/frozen", Message: "nothing is written any more"}, nil
	}
	return nil, errors.Join(err, ctx.Err())
}
