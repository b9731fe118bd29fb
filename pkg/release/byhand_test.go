package release

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

// https://github.com/helm/helm/issues/12021: what somebody mended by hand is gone
// after the next upgrade, and nobody had said so.
func TestAPlanNamesWhatSomebodyChangedByHandWithItsValues(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, growing)
	apply(t, r, "one")
	plan, err := r.Plan(t.Context(), image("two").Image())
	require.NoError(t, err)
	require.Empty(t, plan.Concerns)

	apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) {
		app := &d.Spec.Template.Spec.Containers[0]
		app.Image = "web:hotfix"
		app.Env = []corev1.EnvVar{{Name: "DB_PASSWORD", Value: "open-sesame"}}
		wrote(d, "kubectl-edit", "", template+`"f:image":{},"f:env":{".":{},"k:{\"name\":\"DB_PASSWORD\"}":{".":{},"f:name":{},"f:value":{}}}}}}}}}`)
	})
	later := reopen(t, cluster)
	later.Chart = r.Chart
	for name, planned := range map[string]func() (record.Plan, error){
		"a deploy":   func() (record.Plan, error) { return later.Plan(t.Context(), image("two").Image()) },
		"a rollback": func() (record.Plan, error) { return later.PlanRollback(t.Context(), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := planned()
			require.NoError(t, err)
			require.Len(t, plan.Concerns, 1)
			c := plan.Concerns[0]
			require.Equal(t, "release/changed-by-hand", c.Code)
			require.False(t, c.Blocks)
			require.Contains(t, c.String(), "Deployment/web: somebody changed it since revision 1, and this change overwrites that: ")
			require.Contains(t, c.Message, `spec.template.spec.containers[web].image is "web:hotfix", the manifest says "`)
			require.NotContains(t, c.Message, "open-sesame")
		})
	}
}

func TestAPlanSaysWhatNoDeployChangesBack(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, regexp.MustCompile(`(?m)^ *replicas:.*\n`).ReplaceAllString(web, ""))
	apply(t, r, "one")
	apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) {
		d.Spec.Replicas = new(int32(0))
		wrote(d, "kubectl", "scale", `{"f:spec":{"f:replicas":{}}}`)
	})
	plan, err := r.Plan(t.Context(), image("two").Image())
	require.NoError(t, err)
	require.Len(t, plan.Concerns, 1)
	require.Contains(t, plan.Concerns[0].String(), "spec.replicas is 0, which neither the manifest nor an autoscaler says; this change leaves it so")
	require.Contains(t, plan.Concerns[0].Advice, "`kubectl scale deployment/web --namespace portal --replicas=1`")
}
