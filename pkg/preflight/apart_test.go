package preflight

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestCheck_PodsThatMustBeApartAreComparedWithTheNodes(t *testing.T) {
	apart := func(rule, selector string) string {
		return strings.Replace(deployment, "      containers:", "      affinity: {podAntiAffinity: {"+rule+": [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: "+selector+"}}}]}}\n      containers:", 1)
	}
	const required = "requiredDuringSchedulingIgnoredDuringExecution"
	shrinks := strings.Replace(apart(required, "web"), "replicas: 2", "replicas: 2\n  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}", 1)
	for name, c := range map[string]struct {
		manifest string
		nodes    int
		want     string // "" for nothing
	}{
		"a node for each and one for the surge": {apart(required, "web"), 3, ""},
		"none for the surge":                    {apart(required, "web"), 2, "each of its 2 pods must have a node of its own, and 1 more while a rolling update"},
		"old pods end first":                    {shrinks, 2, ""},
		"not even one for each":                 {shrinks, 1, "each of its 2 pods must have a node of its own: there are 1 nodes"},
		"apart from others":                     {apart(required, "db"), 1, ""},
		"preferred only":                        {apart("preferredDuringSchedulingIgnoredDuringExecution", "web"), 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var nodes []runtime.Object
			for i := range c.nodes {
				nodes = append(nodes, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: string(rune('a' + i))},
					Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("4Gi")}}})
			}
			found := checked(t, cluster(nil, nodes...), c.manifest)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, "preflight/unschedulable", found[0].Code)
			require.False(t, found[0].Blocks)
			require.Contains(t, found[0].Message, c.want)
		})
	}
}
