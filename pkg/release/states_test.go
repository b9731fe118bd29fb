package release

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	helmrelease "helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

// helm/helm#11553: Helm installs again from 3.11 on.
func TestAnUninstalledReleaseIsInstalledAgain(t *testing.T) {
	r, cluster := open(t)
	apply(t, r, "one")
	killed(t, r, helmrelease.StatusUninstalled)
	cluster.Mu.Lock()
	delete(cluster.Objects, deploymentPath)
	cluster.Mu.Unlock()
	_, err := r.Plan(t.Context(), image("two").Image())
	require.NoError(t, err)
	applied := apply(t, r, "two")
	require.Equal(t, 2, applied.Revision.Number)
	require.Equal(t, record.StatusDeployed, applied.Revision.Status)
	require.NotNil(t, cluster.Object(deploymentPath))
}

func TestAReleaseThatIsBeingUninstalledIsRefused(t *testing.T) {
	r, _ := open(t)
	apply(t, r, "one")
	killed(t, r, helmrelease.StatusUninstalling)
	_, planErr := r.Plan(t.Context(), image("two").Image())
	_, err := r.Apply(t.Context(), image("two"))
	for _, err := range []error{planErr, err} {
		require.ErrorContains(t, err, "helm uninstall backstage --namespace portal")
		require.ErrorContains(t, err, "[release/uninstalling]")
		require.Equal(t, record.KindRefused, record.KindOf(err))
	}
}

// helm/helm#8401: the second try of a first install is no upgrade.
func TestInstallHooksRunAtTheNextTryOfAFirstInstall(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, `apiVersion: v1
kind: ConfigMap
metadata: {name: made-by-hook, annotations: {helm.sh/hook: pre-install}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: was}
---
apiVersion: v1
kind: Service
metadata: {name: zz}
spec: {ports: [{port: 80}]}
`)
	cluster.RefuseName("zz", apierrors.NewBadRequest("not now"))
	_, err := r.Apply(t.Context(), image("one"))
	require.Error(t, err)
	cluster.Refuse = nil
	cluster.Mu.Lock()
	delete(cluster.Objects, configPath+"made-by-hook")
	cluster.Mu.Unlock()
	require.NotNil(t, cluster.Object(configPath+"was"))
	r.Chart = chartOf(t, `apiVersion: v1
kind: ConfigMap
metadata: {name: made-by-hook, annotations: {helm.sh/hook: pre-install}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: now}
`)
	applied := apply(t, r, "one")
	require.Equal(t, 2, applied.Revision.Number)
	require.NotNil(t, cluster.Object(configPath+"made-by-hook"))
	require.Nil(t, cluster.Object(configPath+"was"))
	require.Equal(t, []string{"removed ConfigMap/was, left over from revision 1"}, applied.Repairs)
}

// watched makes the release judge with this function.
func watched(t *testing.T, cluster *apiserver.API, chart string, watch func(context.Context, record.Applied) (record.Rollout, error)) *Release {
	t.Helper()
	r, err := Open(Options{Cluster: cluster, Namespace: "portal", Name: "backstage", Chart: chart, Watch: watch})
	require.NoError(t, err)
	return r
}

// helm/helm#11778: with helm --wait they find the application running; helm/helm#4279:
// a moment later, else they may find that of before.
func TestHooksAfterAChangeRunWhenThePodsAreReady(t *testing.T) {
	for name, event := range map[string]string{"an install": "post-install", "an upgrade": "post-upgrade", "a rollback": "post-rollback"} {
		for _, cause := range []*record.Cause{nil, {Code: "rollout/crash", Object: "Pod/web-1", Message: "exit code 3"}} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				_, cluster := open(t)
				asked, made, ready := 0, false, time.Time{}
				r := watched(t, cluster, chartOf(t, web+`---
apiVersion: v1
kind: ConfigMap
metadata: {name: after, annotations: {helm.sh/hook: `+event+`}}
`), func(_ context.Context, applied record.Applied) (record.Rollout, error) {
					asked++
					require.NotEmpty(t, applied.Workloads)
					made, ready = made || cluster.Object(configPath+"after") != nil, time.Now()
					return record.Rollout{Cause: cause}, nil
				})
				change := func() (record.Applied, error) { return r.Apply(t.Context(), image("one")) }
				if event != "post-install" {
					_, err := change()
					require.NoError(t, err)
				}
				if event == "post-rollback" {
					change = func() (record.Applied, error) { return r.Rollback(t.Context(), 1, nil) }
				}
				require.Zero(t, asked, "no hook follows: the caller watches")
				_, err := change()
				require.Equal(t, 1, asked)
				require.False(t, made, "before the pods were ready")
				if cause == nil {
					require.NoError(t, err)
					require.True(t, event == "post-install" || time.Since(ready) >= followed, "the Service may lead to the old pods")
					require.NotNil(t, cluster.Object(configPath+"after"))
					return
				}
				var failed *ApplyError
				require.ErrorAs(t, err, &failed)
				require.Equal(t, *cause, failed.Cause)
				require.Nil(t, cluster.Object(configPath+"after"))
			})
		}
	}
}

// helm/charts#6964: the pods need what the hook makes, as charts expect that were
// written for helm without --wait.
func TestAHookThatThePodsNeedSaysSo(t *testing.T) {
	_, cluster := open(t)
	r := watched(t, cluster, chartOf(t, web+`---
apiVersion: v1
kind: ConfigMap
metadata: {name: after, annotations: {helm.sh/hook: post-install, stagecrew.dev/wait: "false"}}
`), func(context.Context, record.Applied) (record.Rollout, error) {
		t.Error("pods were waited for")
		return record.Rollout{}, nil
	})
	_, err := r.Apply(t.Context(), image("one"))
	require.NoError(t, err)
	require.NotNil(t, cluster.Object(configPath+"after"))
}

// SUSE/suse-ai-up#26: "pre-upgrade hooks failed: context deadline exceeded".
func TestAHookThatCannotStartEndsTheChangeAtOnce(t *testing.T) {
	_, cluster := open(t)
	r := watched(t, cluster, migrating(t, "pre-install", "hang"), func(_ context.Context, applied record.Applied) (record.Rollout, error) {
		require.Equal(t, []record.Workload{{Kind: "Job", Namespace: "portal", Name: "hang"}}, applied.Workloads)
		return record.Rollout{Cause: &record.Cause{
			Code: "rollout/image-not-found", Object: "Pod/hang-x", Container: "migrate", Reason: "ErrImagePull", Message: "manifest unknown",
		}}, nil
	})
	_, err := r.Apply(t.Context(), image("one"))
	var failed *ApplyError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, record.Cause{
		Code: "release/hook-failed", Object: "Job/hang", Container: "migrate", Reason: "ErrImagePull",
		Message: "the hook (pre-install) failed: Pod/hang-x: manifest unknown",
	}, failed.Cause)
}

func TestASecretsValueInACauseIsWithheld(t *testing.T) {
	_, cluster := open(t)
	r := watched(t, cluster, migrating(t, "pre-install", "hang"), func(context.Context, record.Applied) (record.Rollout, error) {
		return record.Rollout{Cause: &record.Cause{Message: "cannot open registry.test/password"}}, nil
	})
	_, err := r.Apply(t.Context(), image("password"))
	var failed *ApplyError
	require.ErrorAs(t, err, &failed)
	require.NotContains(t, failed.Cause.Message, "registry.test/password")
}
