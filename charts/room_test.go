package charts_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// as decodes an object.
func as[T any](t *testing.T, o object) T {
	t.Helper()
	var typed T
	text, err := json.Marshal(o)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &typed))
	return typed
}

// pods are those that can be there at once: of a rollout with its surge, at the most
// that an autoscaler asks for, and of helm test.
func pods(t *testing.T, documents map[string]document) (all []corev1.PodSpec) {
	t.Helper()
	add := func(spec corev1.PodSpec, count int) {
		for range count {
			all = append(all, spec)
		}
	}
	for _, d := range documents {
		switch d.object["kind"] {
		case "Deployment":
			o := as[appsv1.Deployment](t, d.object)
			replicas := 1
			if o.Spec.Replicas != nil {
				replicas = int(*o.Spec.Replicas)
			}
			if hpa, found := documents["HorizontalPodAutoscaler/"+o.Name]; found {
				replicas = int(as[autoscalingv2.HorizontalPodAutoscaler](t, hpa.object).Spec.MaxReplicas)
			}
			surge := 0
			if rolling := o.Spec.Strategy.RollingUpdate; rolling != nil {
				var err error
				surge, err = intstr.GetScaledValueFromIntOrPercent(rolling.MaxSurge, replicas, true)
				require.NoError(t, err)
			}
			add(o.Spec.Template.Spec, replicas+surge)
		case "StatefulSet":
			o := as[appsv1.StatefulSet](t, d.object)
			add(o.Spec.Template.Spec, int(*o.Spec.Replicas))
		case "Pod":
			add(as[corev1.Pod](t, d.object).Spec, 1)
		}
	}
	return all
}

// need is what the pods count in a quota: the containers together, or the largest
// init container where that is more.
func need(all []corev1.PodSpec) corev1.ResourceList {
	total := corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(int64(len(all)), resource.DecimalSI)}
	for _, spec := range all {
		for name, of := range map[corev1.ResourceName]func(corev1.Container) resource.Quantity{
			"limits.cpu":      func(c corev1.Container) resource.Quantity { return c.Resources.Limits[corev1.ResourceCPU] },
			"limits.memory":   func(c corev1.Container) resource.Quantity { return c.Resources.Limits[corev1.ResourceMemory] },
			"requests.cpu":    func(c corev1.Container) resource.Quantity { return c.Resources.Requests[corev1.ResourceCPU] },
			"requests.memory": func(c corev1.Container) resource.Quantity { return c.Resources.Requests[corev1.ResourceMemory] },
		} {
			var sum resource.Quantity
			for _, c := range spec.Containers {
				sum.Add(of(c))
			}
			for _, c := range spec.InitContainers {
				if q := of(c); q.Cmp(sum) > 0 {
					sum = q
				}
			}
			sum.Add(total[name])
			total[name] = sum
		}
	}
	return total
}

// The surge is refused where the quota holds the replicas alone, and the rollout
// hangs: kubernetes/kubernetes#89209, veryfront/veryfront-code#168,
// ministryofjustice/cloud-platform#590, gke-labs/kube-agents#977.
func TestTheSurgeOfARollingUpdateFitsIntoTheQuota(t *testing.T) {
	for name, c := range map[string]struct {
		values string
		fits   bool
	}{
		"as it is drawn":                          {`{}`, true},
		"two replicas in the drawn one":           {`{replicaCount: 2}`, false},
		"two replicas in the one of the comment":  {`{replicaCount: 2, quota: {hard: {limits.cpu: "4", limits.memory: 8Gi}}}`, true},
		"two replicas that are replaced at once":  {`{replicaCount: 2, strategy: {type: Recreate}}`, true},
		"an autoscaler in the one of the comment": {`{autoscaling: {enabled: true}, quota: {hard: {limits.cpu: "4", limits.memory: 8Gi}}}`, false},
		"an autoscaler with room":                 {`{autoscaling: {enabled: true}, quota: {hard: {limits.cpu: "6", limits.memory: 12Gi, requests.memory: 4Gi}}}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			documents := mustRender(t, `{quota: {enabled: true}}`, c.values)
			hard := as[corev1.ResourceQuota](t, documents["ResourceQuota/backstage"].object).Spec.Hard
			fits := true
			for name, wanted := range need(pods(t, documents)) {
				limit, found := hard[name]
				require.True(t, found, name)
				t.Logf("%s: %s of %s", name, wanted.String(), limit.String())
				fits = fits && wanted.Cmp(limit) <= 0
			}
			require.Equal(t, c.fits, fits)
		})
	}
}

// Under a quota a container that names nothing is refused, and under a LimitRange so
// is one outside of its bounds; one that gets a default too small is killed:
// newrelic/helm-charts#462, apache/couchdb-helm#125, opf/helm-charts#132,
// PrefectHQ/prefect-helm#359, rhobs/troubleshooting-scenarios#54.
func TestEveryContainerNamesItsResourcesWithinTheLimitRange(t *testing.T) {
	documents := mustRender(t, `{limitRange: {enabled: true}}`)
	bounds := as[corev1.LimitRange](t, documents["LimitRange/backstage"].object).Spec.Limits[0]
	for _, spec := range pods(t, documents) {
		for _, c := range append(spec.Containers, spec.InitContainers...) {
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				request, asks := c.Resources.Requests[name]
				limit, limited := c.Resources.Limits[name]
				require.True(t, asks && limited, "%s %s", c.Name, name)
				least, most := bounds.Min[name], bounds.Max[name]
				require.LessOrEqual(t, least.Cmp(request), 0, "%s %s", c.Name, name)
				require.LessOrEqual(t, limit.Cmp(most), 0, "%s %s", c.Name, name)
			}
		}
	}
	// cert-manager's solver of a challenge asks for 10m and 64Mi; it has to fit, too.
	cpu, memory := bounds.Min[corev1.ResourceCPU], bounds.Min[corev1.ResourceMemory]
	require.LessOrEqual(t, cpu.Cmp(resource.MustParse("10m")), 0)
	require.LessOrEqual(t, memory.Cmp(resource.MustParse("64Mi")), 0)
}
