package preflight

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The API server takes a Deployment whose pods a LimitRange refuses, and only its
// ReplicaSet tells of it: https://github.com/harn3ss/open-infra/issues/9,
// https://github.com/zalando-incubator/kubernetes-on-aws/issues/278.
func TestCheck_ALimitRangeAdmitsThePodsOrBlocks(t *testing.T) {
	list := func(memory string) corev1.ResourceList {
		return corev1.ResourceList{"memory": resource.MustParse(memory)}
	}
	own := "resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 200m, memory: 128Mi}}"
	bare := strings.Replace(deployment, "        "+own+"\n", "", 1)
	two := deployment + "      - {name: proxy, image: p, resources: {limits: {memory: 128Mi}}}\n"
	for name, c := range map[string]struct {
		manifest string
		item     corev1.LimitRangeItem
		want     string // "" for admitted
	}{
		"within":                {deployment, corev1.LimitRangeItem{Type: "Container", Max: list("128Mi"), Min: list("64Mi")}, ""},
		"limit above":           {deployment, corev1.LimitRangeItem{Type: "Container", Max: list("127Mi")}, "container web has the memory limit 128Mi, above the most of 127Mi"},
		"request below":         {deployment, corev1.LimitRangeItem{Type: "Container", Min: list("65Mi")}, "container web requests 64Mi of memory, below the least of 65Mi"},
		"the most is a default": {bare + ofChart("LimitRange", "m", "limits: [{type: Container, max: {memory: 1Gi}}]"), corev1.LimitRangeItem{Type: "Container"}, ""},
		"a default above":       {bare, corev1.LimitRangeItem{Type: "Container", Default: list("2Gi"), Max: list("1Gi")}, "the memory limit 2Gi"},
		"ratio":                 {deployment, corev1.LimitRangeItem{Type: "Container", MaxLimitRequestRatio: corev1.ResourceList{"memory": resource.MustParse("1500m")}}, "more than 1500m times its request 64Mi"},
		"ratio kept":            {deployment, corev1.LimitRangeItem{Type: "Container", MaxLimitRequestRatio: corev1.ResourceList{"memory": resource.MustParse("2")}}, ""},
		"a pod as a whole":      {two, corev1.LimitRangeItem{Type: "Pod", Max: list("200Mi")}, "a pod has the memory limit 256Mi"},
		"a pod without limit":   {bare, corev1.LimitRangeItem{Type: "Pod", Max: list("200Mi")}, "a pod has no memory limit"},
		"the chart lowers it":   {deployment + ofChart("LimitRange", "l", "limits: [{type: Container, max: {memory: 100Mi}}]"), corev1.LimitRangeItem{Type: "Container", Max: list("1Gi")}, "above the most of 100Mi"},
		"the chart raises it":   {deployment + ofChart("LimitRange", "l", "limits: [{type: Container, max: {memory: 1Gi}}]"), corev1.LimitRangeItem{Type: "Container", Max: list("1Mi")}, ""},
		"claims are not pods":   {deployment, corev1.LimitRangeItem{Type: "PersistentVolumeClaim", Max: corev1.ResourceList{"storage": resource.MustParse("1Mi")}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			live := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "l", Namespace: "prod"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{c.item}}}
			found := checked(t, cluster(nil, live), c.manifest)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, "preflight/limit-range", found[0].Code)
			require.True(t, found[0].Blocks)
			require.Contains(t, found[0].Message, c.want)
		})
	}
}
