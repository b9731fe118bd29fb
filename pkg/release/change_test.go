package release

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	helmrelease "helm.sh/helm/v3/pkg/release"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

// killed leaves the last revision as a process that was killed would have.
func killed(t *testing.T, r *Release, status helmrelease.Status) {
	t.Helper()
	stored, err := r.helm.config.Releases.Last("backstage")
	require.NoError(t, err)
	stored.Info.Status = status
	require.NoError(t, r.helm.config.Releases.Update(stored))
}

func TestWhatAKilledRunLeftIsCompleted(t *testing.T) {
	cases := map[string]struct {
		revisions int
		status    helmrelease.Status
		change    func(*Release) (record.Applied, error)
	}{
		"a first install by the next apply":    {1, helmrelease.StatusPendingInstall, func(r *Release) (record.Applied, error) { return r.Apply(t.Context(), image("x")) }},
		"a first install by a rollback to it":  {1, helmrelease.StatusPendingInstall, func(r *Release) (record.Applied, error) { return r.Rollback(t.Context(), 1, nil) }},
		"an upgrade by the next apply":         {2, helmrelease.StatusPendingUpgrade, func(r *Release) (record.Applied, error) { return r.Apply(t.Context(), image("x")) }},
		"an upgrade by a rollback":             {2, helmrelease.StatusPendingUpgrade, func(r *Release) (record.Applied, error) { return r.Rollback(t.Context(), 1, nil) }},
		"a rollback by a rollback to the copy": {3, helmrelease.StatusPendingRollback, func(r *Release) (record.Applied, error) { return r.Rollback(t.Context(), 3, nil) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			for range c.revisions {
				apply(t, r, "x")
			}
			killed(t, r, c.status)
			cluster.Mu.Lock()
			delete(cluster.Objects, deploymentPath) // it came no further
			cluster.Mu.Unlock()
			next := reopen(t, cluster)
			plan, err := next.Plan(t.Context(), image("x").Image())
			require.NoError(t, err, "a plan does not mind, and settles nothing")
			require.Equal(t, c.revisions+1, plan.Applied.Revision.Number)
			history, err := next.History(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, c.status, history[0].Status)

			applied, err := c.change(next)
			require.NoError(t, err)
			require.Equal(t, c.revisions+1, applied.Revision.Number)
			require.Equal(t, record.StatusDeployed, applied.Revision.Status)
			require.NotNil(t, cluster.Object(deploymentPath))
			history, err = next.History(t.Context())
			require.NoError(t, err)
			require.NotContains(t, history[1].Status, "pending")
		})
	}
}

func TestASignalEndsAnApplyInTime(t *testing.T) {
	hold := func(cluster *apiserver.API, paths ...string) (reached, release chan struct{}) {
		reached, release = make(chan struct{}, 9), make(chan struct{})
		cluster.Meet = func(_ http.ResponseWriter, request *http.Request) bool {
			for _, path := range paths {
				if request.Method != http.MethodGet && strings.Contains(request.URL.Path, path) {
					reached <- struct{}{}
					select {
					case <-release:
					case <-request.Context().Done():
					}
				}
			}
			return false
		}
		return reached, release
	}
	t.Run("Helm notes the failure", func(t *testing.T) {
		r, cluster := open(t)
		r.windDown = time.Hour // Helm ends by itself, or the test never does
		apply(t, r, "one")
		ctx, cancel := context.WithCancel(t.Context())
		reached, release := hold(cluster, "/deployments/")
		defer close(release)
		go func() { <-reached; cancel() }()
		applied, err := r.Apply(ctx, image("two"))
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 2, applied.Revision.Number)
		history, err := r.History(t.Context())
		require.NoError(t, err)
		require.Equal(t, record.RevisionStatus("failed"), history[0].Status)
	})
	t.Run("Helm's record hangs, too", func(t *testing.T) {
		r, cluster := open(t)
		apply(t, r, "one")
		ctx, cancel := context.WithCancel(t.Context())
		reached, release := hold(cluster, "/deployments/", "/secrets/sh.helm.release.v1.backstage.v1", "/secrets/sh.helm.release.v1.backstage.v2")
		go func() { <-reached; cancel() }()
		applied, err := r.Apply(ctx, image("two")) // while Helm's requests are still held
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 2, applied.Revision.Number)
		close(release)
		// A change that comes now waits for the one that was left behind.
		applied, err = r.Rollback(t.Context(), 1, nil)
		require.NoError(t, err)
		require.Equal(t, 3, applied.Revision.Number)
		require.Contains(t, only(cluster.Object(deploymentPath).(*appsv1.Deployment)).Containers[0].Image, "/one@")
	})
	t.Run("before anything was written", func(t *testing.T) {
		r, cluster := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		applied, err := r.Apply(ctx, image("one"))
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, applied.Revision.Number)
		require.Empty(t, cluster.Writes(""))
	})
}

// migrating is a chart with a Job as a hook.
func migrating(t *testing.T, event, job string) string {
	return chartOf(t, withSecret+`---
apiVersion: batch/v1
kind: Job
metadata: {name: `+job+`, annotations: {helm.sh/hook: `+event+`, helm.sh/hook-delete-policy: "before-hook-creation,hook-failed"}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: migrate, image: migrate}]}}}
`)
}

func TestAHookThatFailsIsNamedWithItsLastWords(t *testing.T) {
	const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"migrate-fail-x","namespace":"portal","labels":{"job-name":"migrate-fail"}}}`
	cases := map[string]struct {
		event  string
		change func(*Release) (record.Applied, error)
	}{
		"before an upgrade": {"pre-upgrade", func(r *Release) (record.Applied, error) { return r.Apply(t.Context(), image("two")) }},
		"after an upgrade":  {"post-upgrade", func(r *Release) (record.Applied, error) { return r.Apply(t.Context(), image("two")) }},
		"before a rollback": {"pre-rollback", func(r *Release) (record.Applied, error) { return r.Rollback(t.Context(), 1, nil) }},
		"after a rollback":  {"post-rollback", func(r *Release) (record.Applied, error) { return r.Rollback(t.Context(), 1, nil) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = migrating(t, c.event, "migrate-fail")
			cluster.Put("/api/v1/namespaces/portal/pods/migrate-fail-x", pod)
			apply(t, r, "one")
			applied, err := c.change(r)
			var failed *ApplyError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, "release/hook-failed", failed.Cause.Code)
			require.Equal(t, "Job/migrate-fail", failed.Cause.Object)
			require.Contains(t, failed.Cause.Message, c.event)
			require.Contains(t, failed.Cause.Message, "BackoffLimitExceeded")
			require.Contains(t, failed.Cause.Message, "words of migrate-fail-x")
			muted := &redact.Redactor{}
			muted.Mute(record.Saying...)
			require.NotContains(t, muted.Text(failed.Cause.Message), "words of", "they may hold a secret")
			require.Equal(t, record.RevisionStatus("failed"), applied.Revision.Status, "not pending, which would block every further change")
		})
	}
}

func TestAHookEndsWithTheChange(t *testing.T) {
	r, cluster := open(t)
	r.Chart = migrating(t, "pre-install", "hang")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cluster.Meet = func(_ http.ResponseWriter, request *http.Request) bool {
		if request.URL.Query().Get("watch") != "" {
			cancel()
		}
		return false
	}
	applied, err := r.Apply(ctx, image("one"))
	require.ErrorIs(t, err, context.Canceled)
	var failed *ApplyError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "Job/hang", failed.Cause.Object)
	require.Equal(t, record.RevisionStatus("failed"), applied.Revision.Status)
}

func TestAnAPIServerThatIsAwayForAMomentDoesNotFailAnApply(t *testing.T) {
	r, cluster := open(t)
	apply(t, r, "one")
	left := 3
	cluster.Meet = func(w http.ResponseWriter, request *http.Request) bool {
		if request.Method != http.MethodPatch || left == 0 {
			return false
		}
		left--
		connection, _, err := w.(http.Hijacker).Hijack()
		assert.NoError(t, err)
		assert.NoError(t, connection.Close())
		return true
	}
	apply(t, r, "two")
	require.Zero(t, left)
}

func TestARecordWhoseCreationGotNoAnswerIsLookedFor(t *testing.T) {
	for name, arrives := range map[string]bool{"it had arrived": true, "it had not": false} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			lost := false
			cluster.Meet = func(w http.ResponseWriter, request *http.Request) bool {
				if lost || request.Method != http.MethodPost || !strings.HasSuffix(request.URL.Path, "/secrets") {
					return false
				}
				if lost = true; arrives {
					cluster.Serve(httptest.NewRecorder(), request)
				}
				connection, _, err := w.(http.Hijacker).Hijack()
				assert.NoError(t, err)
				assert.NoError(t, connection.Close())
				return true
			}
			require.Equal(t, 1, apply(t, r, "one").Revision.Number)
			history, err := r.History(t.Context())
			require.NoError(t, err)
			require.Len(t, history, 1)
			require.Equal(t, record.StatusDeployed, history[0].Status)
		})
	}
}

func TestARollbackThatFailsSaysWhatItLeft(t *testing.T) {
	r, cluster := open(t)
	apply(t, r, "one")
	apply(t, r, "two")
	cluster.RefuseName("web", apierrors.NewBadRequest("not now"))
	applied, err := r.Rollback(t.Context(), 1, nil)
	var failed *ApplyError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 3, applied.Revision.Number)
	require.Equal(t, record.RevisionStatus("failed"), applied.Revision.Status)
}

func TestRelease_Rollback_TheReasonStandsInHelmsHistory(t *testing.T) {
	r, _ := open(t)
	apply(t, r, "one")
	apply(t, r, "two")
	r.Reason = "the login page is blank"
	applied, err := r.Rollback(t.Context(), 1, nil)
	require.NoError(t, err)
	stored, err := r.record(t.Context(), applied.Revision.Number)
	require.NoError(t, err)
	require.Equal(t, "Rollback to 1: the login page is blank", stored.Info.Description)
	require.Equal(t, helmrelease.StatusDeployed, stored.Info.Status)
	require.Equal(t, 1, applied.Revision.Origin)
}
