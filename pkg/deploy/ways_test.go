package deploy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/race"
)

// faults are what can go wrong at one moment.
var faults = map[string]func(f *fakeCluster, what string, stop context.CancelFunc){
	"nothing": func(*fakeCluster, string, context.CancelFunc) {},
	"away":    func(f *fakeCluster, what string, _ context.CancelFunc) { f.fails(what, apiAway) },
	"refused": func(f *fakeCluster, what string, _ context.CancelFunc) {
		f.fails(what, record.Refused("release/locked", "somebody's helm is at work"))
	},
	"rejected": func(f *fakeCluster, what string, _ context.CancelFunc) {
		f.fails(what, rejected{record.Cause{Code: "release/apply-rejected"}})
	},
	"a signal": func(_ *fakeCluster, _ string, stop context.CancelFunc) { stop() },
	"a signal while Helm goes on": func(f *fakeCluster, what string, stop context.CancelFunc) {
		stop()
		f.fails(what, context.Canceled)
	},
	"a signal, and a rollback does not end": func(f *fakeCluster, _ string, stop context.CancelFunc) {
		stop()
		f.fails("rollback", context.Canceled)
	},
	"the lock is lost": func(f *fakeCluster, what string, _ context.CancelFunc) {
		if f.lose != nil {
			f.lose(record.Unavailable("release/lock-lost", "another run has taken over"))
			f.fails(what, apiAway)
		}
	},
	"a panic": func(*fakeCluster, string, context.CancelFunc) { panic("index out of range") },
}

// pasts are the releases that a run may find.
var pasts = map[string]func(f *fakeCluster){
	"nothing": func(*fakeCluster) {},
	"a good revision": func(f *fakeCluster) {
		f.push(record.Revision{Image: "fine"}, nil)
		f.history[0].Verdict = record.MarkGood
	},
	"a half revision": func(f *fakeCluster) { f.push(record.Revision{Image: "half"}, errors.New("killed")) },
	"a good and a half revision": func(f *fakeCluster) {
		f.push(record.Revision{Image: "fine"}, nil)
		f.history[0].Verdict = record.MarkGood
		f.push(record.Revision{Image: "half"}, errors.New("killed"))
	},
}

// TestActionsEndInTheWaysOfTheTable runs every operation into every fault at every
// moment: what happens is in the table, and what the table expects happens.
func TestActionsEndInTheWaysOfTheTable(t *testing.T) {
	seen := map[state]map[event]bool{}
	saw := func(at state, on event) {
		if seen[at] == nil {
			seen[at] = map[event]bool{}
		}
		seen[at][on] = true
	}
	operations := map[string]func(context.Context, string, Options) (record.Record, error){
		deploying.name: func(ctx context.Context, name string, o Options) (record.Record, error) {
			return Deploy(ctx, image(name+"new"), o)
		},
		goingBack.name: func(ctx context.Context, _ string, o Options) (record.Record, error) {
			return Rollback(ctx, revisions.RollbackTo{Revision: 1}, o)
		},
		recovering.name: func(ctx context.Context, _ string, o Options) (record.Record, error) { return Recover(ctx, o) },
		gating.name:     func(ctx context.Context, _ string, o Options) (record.Record, error) { return Gate(ctx, o) },
	}
	for _, c := range race.Sample(moments(), 11) {
		f := &fakeCluster{errs: map[string]error{}, state: &record.DatabaseState{Down: down}}
		pasts[c.past](f)
		if c.image != "" && c.operation != deploying.name {
			f.push(record.Revision{Image: c.image}, nil)
		}
		f.drift = drifts[c.drift]
		ctx, cancel := context.WithCancel(t.Context())
		times := 0
		happens := func(what string) {
			f.mu.Lock()
			now := what == c.what
			if now {
				times++
			}
			now = now && times == c.nth
			f.mu.Unlock()
			if now {
				faults[c.fault](f, what, cancel)
			}
		}
		f.on = happens
		o := f.options()
		if c.nth == 1 || c.past == "a good revision" {
			o.OnMigrated = record.MigratedDown
		}
		o.DryRun = c.fault == "nothing" && c.nth == 2 && (c.operation == deploying.name || c.operation == goingBack.name)
		o.saw = func(at state, on event) {
			saw(at, on)
			if c.fault != "a panic" { // which nothing expects between two actions
				happens("after " + string(at))
			}
		}
		result, err := operations[c.operation](ctx, c.image, o)
		cancel()
		if err != nil {
			require.NotContains(t, err.Error(), "has no way from", "%+v", c)
		}
		require.NotEmpty(t, result.Verdict)
	}
	synctest.Test(t, func(t *testing.T) { // a check that fails during a soak needs time
		f := installed(t, "fine")
		o := f.options()
		o.saw, o.Soak = saw, time.Minute
		_, err := Deploy(t.Context(), image("fading"), o)
		require.NoError(t, err)
	})
	if race.Enabled {
		return // not all that the table expects happens in some of the moments
	}
	for at, events := range ways {
		want := slices.Clone(events)
		if at == surveying {
			want = append(want, untouched, undo, failed, abandoned)
		}
		if at == asking {
			want = append(want, failed, broken)
		}
		if at == takingBack {
			want = append(want, broken)
		}
		slices.Sort(want)
		require.Equal(t, want, slices.Sorted(maps.Keys(seen[at])), "%s", at)
		delete(seen, at)
	}
	require.Empty(t, seen)
}

// drifts are what somebody else may have changed.
var drifts = map[string][]record.Change{
	"":        nil,
	"changed": {{Object: "Deployment/backstage", Action: record.ActionUpdate, Fields: "spec.template"}},
	"scaled": {{Object: "Deployment/backstage", Action: record.ActionUpdate, Fields: "spec.replicas",
		Differences: []record.Difference{{Field: "spec.replicas", Live: "0", Manifest: "1", Open: true}}}},
}

// moment is one run, with what goes wrong in it and when.
type moment struct {
	operation, past, image, drift, what, fault string
	nth                                        int
}

func moments() (all []moment) {
	what := []string{"check", "lock", "describe", "watch", "hold", "probe", "apply", "rollback", "mark good", "mark bad", "mark idle", "drift", "collect", "ask", "prepare", "announce", "undo", "prove"}
	for at := range ways {
		what = append(what, "after "+string(at))
	}
	for _, operation := range []string{deploying.name, goingBack.name, recovering.name, gating.name} {
		for past := range pasts {
			for _, image := range []string{"", "fine2", "crash", "mute", "unheard", "zero", "crash+schema"} {
				for drift := range drifts {
					all = append(all, moment{operation, past, image, drift, "", "nothing", 1}, moment{operation, past, image, drift, "", "nothing", 2})
				}
				for _, what := range what {
					for fault := range faults {
						all = append(all, moment{operation, past, image, "", what, fault, 1}, moment{operation, past, image, "", what, fault, 2})
					}
				}
			}
		}
	}
	return all
}
