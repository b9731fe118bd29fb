package release

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

const scaler = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {maxReplicas: 9, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
`

// keda is one that an operator made.
const keda = `{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"keda-hpa-web","namespace":"portal"},
	"spec":{"maxReplicas":9,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}}}`

const hpaPath = "/apis/autoscaling/v2/namespaces/portal/horizontalpodautoscalers/"

func TestTheNumberOfReplicasUnderAnAutoscalerStays(t *testing.T) {
	replicas := func(cluster *apiserver.API) int32 {
		return *cluster.Object(deploymentPath).(*appsv1.Deployment).Spec.Replicas
	}
	changes := map[string]func(*Release) (record.Applied, error){
		"apply":    func(r *Release) (record.Applied, error) { return r.Apply(t.Context(), image("two")) },
		"rollback": func(r *Release) (record.Applied, error) { return r.Rollback(t.Context(), 1, nil) },
	}
	cases := map[string]struct {
		prepare func(*Release, *apiserver.API)
		want    int32
	}{
		"no autoscaler: the chart's number": {func(*Release, *apiserver.API) {}, 1},
		"one of the chart":                  {func(r *Release, _ *apiserver.API) { r.Chart = chartOf(t, web+"---\n"+scaler) }, 5},
		"one that somebody else made":       {func(_ *Release, c *apiserver.API) { c.Put(hpaPath+"keda-hpa-web", keda) }, 5},
		"one that somebody else made for others": {func(_ *Release, c *apiserver.API) {
			c.Put(hpaPath+"x", `{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"x","namespace":"portal"},"spec":{"maxReplicas":9,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"StatefulSet","name":"web"}}}`)
		}, 1},
	}
	for name, c := range cases {
		for how, change := range changes {
			t.Run(name+", "+how, func(t *testing.T) {
				r, cluster := open(t)
				c.prepare(r, cluster)
				apply(t, r, "one")
				apply(t, r, "other")
				apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(5)) })
				plan, err := r.Plan(t.Context(), image("two").Image())
				require.NoError(t, err)
				require.Equal(t, c.want == 1, len(plan.Changes) > 0 && contains(plan.Changes, "-  replicas: 5"))
				drift, err := r.Drift(t.Context(), 2)
				require.NoError(t, err)
				require.Equal(t, c.want == 1, contains(drift, "-  replicas: 5"))
				_, err = change(r)
				require.NoError(t, err)
				require.Equal(t, c.want, replicas(cluster))
			})
		}
	}
}

// A chart that gives the number up to a new autoscaler would go through 1 with Helm.
func TestAnAutoscalerThatTakesOverStartsFromTheLiveNumber(t *testing.T) {
	r, cluster := open(t)
	r.Set = []string{"replicas=4"}
	apply(t, r, "one")
	r.Chart = chartOf(t, `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
---
`+scaler)
	applied := apply(t, r, "two")
	require.EqualValues(t, 4, *cluster.Object(deploymentPath).(*appsv1.Deployment).Spec.Replicas)
	require.Empty(t, applied.Repairs)
}

func TestAnAutoscalerThatTheChartGivesUpDecidesNoMore(t *testing.T) {
	r, cluster := open(t)
	chart := r.Chart
	r.Chart = chartOf(t, web+"---\n"+scaler)
	apply(t, r, "one")
	apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(5)) })
	r.Chart = chart
	apply(t, r, "two")
	require.EqualValues(t, 1, *cluster.Object(deploymentPath).(*appsv1.Deployment).Spec.Replicas)
	require.Nil(t, cluster.Object(hpaPath+"web"))
}

func contains(changes []record.Change, line string) bool {
	return slices.ContainsFunc(changes, func(c record.Change) bool { return strings.Contains(c.Diff, line) })
}
