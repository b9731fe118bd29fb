package release

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	helmrelease "helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/verdict"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

const (
	labelVerdict  = "stagecrew.dev/verdict"
	labelWhen     = "stagecrew.dev/verdict-at"
	labelOf       = "stagecrew.dev/verdict-of"
	labelManifest = "stagecrew.dev/manifest"
	labelMAC      = "stagecrew.dev/verdict-mac"
)

// plainHelm makes the revision that a plain helm upgrade would: with the labels
// of the last one (helm/helm#32404).
func plainHelm(t *testing.T, r *Release, status helmrelease.Status, change func(*helmrelease.Release)) {
	t.Helper()
	last, err := r.helm.config.Releases.Last(r.Name)
	require.NoError(t, err)
	next, info := *last, *last.Info
	next.Info, next.Version, next.Labels = &info, last.Version+1, maps.Clone(last.Labels)
	next.Info.Status, next.Info.Description = status, "Preparing upgrade"
	if change != nil {
		change(&next)
	}
	// Past the driver that writes labels of its own.
	require.NoError(t, r.helm.records.Driver.Create("sh.helm.release.v1."+r.Name+".v"+string(rune('0'+next.Version)), &next))
	if status == helmrelease.StatusDeployed {
		last.Info.Status = helmrelease.StatusSuperseded
		require.NoError(t, r.helm.config.Releases.Update(last))
	}
}

func TestAVerdictSpeaksOfOneRevisionOnly(t *testing.T) {
	forget := func(stored *helmrelease.Release) {
		delete(stored.Labels, labelOf)
		delete(stored.Labels, labelManifest)
	}
	cases := map[string]struct {
		status helmrelease.Status
		change func(*helmrelease.Release)
		want   bool // whether it is a target
	}{
		"an upgrade by plain helm":       {status: helmrelease.StatusDeployed},
		"one that failed":                {status: helmrelease.StatusFailed},
		"a copy of an old record's":      {status: helmrelease.StatusDeployed, change: forget},
		"an old record's own later mark": {helmrelease.StatusDeployed, func(stored *helmrelease.Release) { forget(stored); stored.Labels[labelWhen] = "20990101T000000Z" }, true},
		"an old record's, given before it was deployed": {helmrelease.StatusDeployed, func(stored *helmrelease.Release) {
			forget(stored)
			stored.Labels[labelWhen] = "20010101T000000Z"
		}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, _ := open(t)
			apply(t, r, "one")
			require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
			if name == "a copy of an old record's" {
				stored, err := r.record(t.Context(), 1)
				require.NoError(t, err)
				forget(stored)
				require.NoError(t, r.helm.config.Releases.Update(stored))
			}
			plainHelm(t, r, c.status, c.change)
			history, err := r.History(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.want, history[0].IsTarget(), "%+v", history[0])
			require.Equal(t, record.MarkGood, history[1].Verdict)
			require.True(t, history[1].IsTarget())
		})
	}
}

func TestARevisionThatWasEditedIsNoTarget(t *testing.T) {
	edits := map[string]struct {
		edit  func(*helmrelease.Release)
		keyed bool // is seen with a key only
	}{
		"its manifest":        {edit: func(r *helmrelease.Release) { r.Manifest += "\n---\nkind: ClusterRoleBinding\n" }},
		"its hooks":           {edit: func(r *helmrelease.Release) { r.Hooks = append(r.Hooks, &helmrelease.Hook{Name: "evil"}) }},
		"manifest and digest": {func(r *helmrelease.Release) { r.Manifest += "\n# more"; r.Labels[labelManifest] = digestOf(r) }, true},
		"its values":          {func(r *helmrelease.Release) { r.Config["image"] = map[string]any{"repository": "evil"} }, true},
		"its verdict":         {func(r *helmrelease.Release) { r.Labels[labelVerdict] = "bad" }, true},
		"its MAC":             {func(r *helmrelease.Release) { r.Labels[labelMAC] = "aaaa" }, true},
		"its MAC, taken away": {func(r *helmrelease.Release) { delete(r.Labels, labelMAC) }, true},
		"all its labels":      {func(r *helmrelease.Release) { r.Labels = nil }, true},
	}
	for name, c := range edits {
		for _, key := range []string{"", "0123456789abcdef"} {
			t.Run(name+", key "+key, func(t *testing.T) {
				r, cluster := open(t)
				r = keyed(t, cluster, r.Chart, key)
				apply(t, r, "one")
				require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
				apply(t, r, "two")
				history, err := r.History(t.Context())
				require.NoError(t, err)
				require.True(t, history[1].IsTarget())

				stored, err := r.record(t.Context(), 1)
				require.NoError(t, err)
				c.edit(stored)
				require.NoError(t, r.helm.config.Releases.Update(stored))
				cluster.Writes("")
				_, planErr := r.PlanRollback(t.Context(), 1)
				_, err = r.Rollback(t.Context(), 1, nil)
				if c.keyed && key == "" {
					require.NoError(t, err)
					return
				}
				for _, err := range []error{planErr, err} {
					require.ErrorContains(t, err, "[release/target-changed]")
					require.Equal(t, record.KindRefused, record.KindOf(err))
				}
				require.Empty(t, cluster.Writes(""))
				history, err = r.History(t.Context())
				require.NoError(t, err)
				require.False(t, history[1].IsTarget())
				require.Equal(t, record.MarkNone, history[1].Verdict)
			})
		}
	}
}

func keyed(t *testing.T, cluster *apiserver.API, chart, key string) *Release {
	t.Helper()
	r, err := Open(Options{Cluster: cluster, Namespace: "portal", Name: "backstage", Chart: chart, VerdictKey: []byte(key)})
	require.NoError(t, err)
	return r
}

// That a forged live revision serves says nothing about its hooks, which the next
// rollback to it would run with the pipeline's rights.
func TestWithAKeyOnlyWhatThisPipelineMadeIsMarkedGood(t *testing.T) {
	const key = "0123456789abcdef"
	evil := func(stored *helmrelease.Release) {
		stored.Hooks = append(stored.Hooks, &helmrelease.Hook{Name: "evil", Kind: "ClusterRoleBinding", Events: []helmrelease.HookEvent{helmrelease.HookPreRollback}})
	}
	cases := map[string]struct {
		key     string
		change  func(*helmrelease.Release)
		refused bool
	}{
		"without a key it is judged like any other": {change: evil},
		"with more hooks":                     {key, evil, true},
		"with another manifest and no labels": {key, func(stored *helmrelease.Release) { stored.Manifest, stored.Labels = stored.Manifest+"\n# more", nil }, true},
		"with forged labels": {key, func(stored *helmrelease.Release) {
			evil(stored)
			stored.Labels = verdict.Notary{}.State(verdictRecord(stored), verdict.Statement{Mark: record.MarkPending})
		}, true},
		"with a MAC of another key": {key, func(stored *helmrelease.Release) {
			evil(stored)
			stored.Labels = verdict.Notary{Key: []byte("fedcba9876543210")}.State(verdictRecord(stored), verdict.Statement{Mark: record.MarkPending})
		}, true},
		"with the content of a verified-good one": {key: key},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r = keyed(t, cluster, r.Chart, c.key)
			apply(t, r, "one")
			require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
			plainHelm(t, r, helmrelease.StatusDeployed, c.change)
			for _, mark := range []record.Mark{record.MarkGood, record.MarkIdle, record.MarkBad, record.MarkGood} {
				err := r.Mark(t.Context(), 2, mark)
				if !c.refused || mark == record.MarkBad {
					require.NoError(t, err)
					continue
				}
				require.Regexp(t, `\[release/(not-made-here|target-changed)\]$`, err)
				require.Equal(t, record.KindRefused, record.KindOf(err))
			}
			history, err := r.History(t.Context())
			require.NoError(t, err)
			require.Equal(t, !c.refused, history[0].IsTarget())
			require.True(t, history[1].IsTarget())
			apply(t, r, "three")
			require.NoError(t, r.Mark(t.Context(), 3, record.MarkGood))
			if c.refused {
				_, err = r.Rollback(t.Context(), 2, nil)
				require.ErrorContains(t, err, "[release/target-changed]")
			}
		})
	}
}

func TestWhatWasEditedMeanwhileIsNotMarkedGood(t *testing.T) {
	r, _ := open(t)
	apply(t, r, "one")
	stored, err := r.record(t.Context(), 1)
	require.NoError(t, err)
	stored.Manifest += "\n---\nkind: ClusterRoleBinding\n"
	require.NoError(t, r.helm.config.Releases.Update(stored))
	require.ErrorContains(t, r.Mark(t.Context(), 1, record.MarkGood), "release/target-changed")
	require.NoError(t, r.Mark(t.Context(), 1, record.MarkBad))
}

func TestAShortKeyIsRefused(t *testing.T) {
	_, err := Open(Options{Name: "x", VerdictKey: []byte("short")})
	require.ErrorContains(t, err, "[release/verdict-key]")
}

func TestARunningHelmOfSomebodyElseIsLeftAlone(t *testing.T) {
	cases := map[string]struct {
		age    time.Duration
		ours   bool
		locked bool
	}{
		"that has just begun":          {age: 2 * time.Second, locked: true},
		"whose clock is ahead":         {age: -time.Minute, locked: true},
		"that must be dead":            {age: 2 * time.Hour},
		"ours: the lock says it died ": {age: 2 * time.Second, ours: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, _ := open(t)
			apply(t, r, "one")
			require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
			plainHelm(t, r, helmrelease.StatusPendingUpgrade, func(stored *helmrelease.Release) {
				stored.Info.LastDeployed.Time = time.Now().Add(-c.age)
				if c.ours {
					stored.Labels = r.notary().State(verdictRecord(stored), verdict.Statement{Mark: record.MarkPending})
				}
			})
			history, err := r.History(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.locked, history[0].Foreign)
			_, planErr := r.Plan(t.Context(), image("two").Image())
			_, err = r.Apply(t.Context(), image("two"))
			_, backErr := r.Rollback(t.Context(), 1, nil)
			for _, err := range []error{planErr, err, backErr} {
				if !c.locked {
					require.NoError(t, err)
					continue
				}
				require.ErrorContains(t, err, "Preparing upgrade")
				require.ErrorContains(t, err, "[release/locked]")
				require.Equal(t, record.KindRefused, record.KindOf(err))
			}
		})
	}
}

func TestADamagedRecordIsNamed(t *testing.T) {
	r, _ := open(t)
	apply(t, r, "one")
	stored, err := r.record(t.Context(), 1)
	require.NoError(t, err)
	stored.Info = nil
	// The driver itself needs the status for a label.
	require.ErrorContains(t, sound(stored), "revision 1 is damaged")
	require.Error(t, sound(nil))
}

func TestARecordOfAnotherRevisionThanItsNameSaysIsNamed(t *testing.T) {
	edits := map[string]func(*helmrelease.Release){
		"its version": func(stored *helmrelease.Release) { stored.Version = 7 },
		"its name":    func(stored *helmrelease.Release) { stored.Name = "other" },
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			apply(t, r, "one")
			stored, err := r.record(t.Context(), 1)
			require.NoError(t, err)
			edit(stored)
			require.NoError(t, r.helm.records.Update("sh.helm.release.v1.backstage.v1", stored))
			apiserver.Amend(cluster, "/api/v1/namespaces/portal/secrets/sh.helm.release.v1.backstage.v1", func(s *corev1.Secret) {
				s.Labels["name"], s.Labels["version"] = "backstage", "1"
			})
			r = reopen(t, cluster).with(r.Chart)
			_, err = r.record(t.Context(), 1)
			_, historyErr := r.History(t.Context())
			_, applyErr := r.Apply(t.Context(), image("two"))
			for _, err := range []error{err, historyErr, applyErr, r.Mark(t.Context(), 1, record.MarkGood)} {
				require.ErrorContains(t, err, "[release/record]")
				require.Equal(t, record.KindUnavailable, record.KindOf(err))
			}
		})
	}
}
