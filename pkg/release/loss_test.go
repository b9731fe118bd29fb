package release

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

func TestAPlanSaysWhatIsLostWithWhatItDeletes(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, web+`---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept, annotations: {helm.sh/resource-policy: keep}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate-1}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: migrate, image: migrate}]}}}
`)
	apply(t, r, "one")
	apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) { d.Status.ReadyReplicas = 2 })
	r.Chart = chartOf(t, withSecret)
	plan, err := r.Plan(t.Context(), image("two").Image())
	require.NoError(t, err)
	loss := map[string]string{}
	for _, d := range plan.Deletions {
		require.Equal(t, "portal", d.Namespace)
		loss[d.Object()] = d.Loss
	}
	require.Equal(t, map[string]string{
		"Deployment/web": "its 2 ready pods", "PersistentVolumeClaim/data": "the data in it",
		"StatefulSet/db": "", "Service/web": "", "Service/web-headless": "", "Service/db": "", "Job/migrate-1": "",
	}, loss, "a finished Job and what has no ready pod is no loss, and what is kept does not go")
	require.Contains(t, plan.Deletions, record.Deletion{Group: "apps", Kind: "Deployment", Namespace: "portal", Name: "web", Loss: "its 2 ready pods"})
}

func TestAPlanOfARollbackNamesNoImage(t *testing.T) {
	r, _ := open(t)
	apply(t, r, "one")
	apply(t, r, "two")
	plan, err := r.PlanRollback(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, record.Image{}, plan.Image)
}

func TestAHookThatIsMadeAnewLosesItsData(t *testing.T) {
	claim := func(more string) string {
		return web + `---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, annotations: {helm.sh/hook: "pre-install,pre-upgrade"` + more + `}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`
	}
	for name, c := range map[string]struct {
		chart string
		want  int
	}{
		"by default":                 {claim(""), 1},
		"with another policy":        {claim(", helm.sh/hook-delete-policy: hook-failed"), 0},
		"with the policy, by itself": {claim(", helm.sh/hook-delete-policy: before-hook-creation"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = chartOf(t, c.chart)
			cluster.Put("/api/v1/namespaces/portal/persistentvolumeclaims/data", `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data","namespace":"portal"}}`)
			plan, err := r.Plan(t.Context(), image("one").Image())
			require.NoError(t, err)
			require.Len(t, plan.Deletions, c.want)
		})
	}
}
