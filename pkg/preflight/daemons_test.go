package preflight

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestCheck_ADaemonSetThatNoNodeIsForIsNamed(t *testing.T) {
	daemon := func(more string) string {
		return "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: agent}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {" + more + "containers: [{name: agent, image: a}]}}}\n"
	}
	gpu := daemon("nodeSelector: {gpu: 'yes', zone: a}, ")
	affine := func(expression string) string {
		return daemon("affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [" + expression + "]}]}}}, ")
	}
	tainted := func(key string, effect corev1.TaintEffect) runtime.Object {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: key, Value: "yes", Effect: effect}}},
			Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("4Gi")}}}
	}
	node := func(labels map[string]string) runtime.Object {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: labels},
			Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("4Gi")}}}
	}
	live := func(pods int32) runtime.Object {
		return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "agent", Namespace: "prod"}, Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: pods}}
	}
	for name, c := range map[string]struct {
		manifest string
		objects  []runtime.Object
		want     string // "" for nothing
		blocks   bool
	}{
		"without a selector":          {daemon(""), []runtime.Object{node(nil)}, "", false},
		"a node that has all labels":  {gpu, []runtime.Object{node(map[string]string{"gpu": "yes", "zone": "a", "x": "y"})}, "", false},
		"a node that has one of them": {gpu, []runtime.Object{node(map[string]string{"gpu": "yes"})}, "it is for none of the 1 nodes: its nodeSelector gpu=yes,zone=a; it runs nowhere", false},
		"nodes that nobody may list":  {gpu, nil, "", false},
		"one that ran nowhere before": {gpu, []runtime.Object{node(nil), live(0)}, "it runs nowhere", false},
		"one that has pods now":       {gpu, []runtime.Object{node(nil), live(3)}, "; it has 3 pods now, and all of them end", true},
		// kubernetes/kubernetes#72017
		"an affinity that no node has":  {affine("{key: gpu, operator: In, values: ['yes']}"), []runtime.Object{node(map[string]string{"gpu": "no"}), live(1)}, "it is for none of the 1 nodes: its nodeAffinity; it runs nowhere", true},
		"an affinity that a node has":   {affine("{key: gpu, operator: In, values: ['yes']}, {key: old, operator: DoesNotExist}"), []runtime.Object{node(map[string]string{"gpu": "yes"})}, "", false},
		"a number that is large enough": {affine("{key: cores, operator: Gt, values: ['8']}"), []runtime.Object{node(map[string]string{"cores": "16"})}, "", false},
		"a number that is not":          {affine("{key: cores, operator: Gt, values: ['8']}"), []runtime.Object{node(map[string]string{"cores": "8"})}, "its nodeAffinity", false},
		// kubernetes/kubernetes#42398
		"a taint that it does not tolerate": {daemon(""), []runtime.Object{tainted("dedicated", corev1.TaintEffectNoSchedule), live(2)}, "the taint dedicated=yes:NoSchedule; it runs nowhere", true},
		"a taint that it tolerates":         {daemon("tolerations: [{key: dedicated, operator: Exists}], "), []runtime.Object{tainted("dedicated", corev1.TaintEffectNoExecute)}, "", false},
		"a taint that only prefers":         {daemon(""), []runtime.Object{tainted("dedicated", corev1.TaintEffectPreferNoSchedule)}, "", false},
		"a node that is drained":            {daemon(""), []runtime.Object{tainted(corev1.TaintNodeUnschedulable, corev1.TaintEffectNoSchedule)}, "", false}, // kubernetes/kubernetes#60163
		"a Deployment, which has a cause":   {strings.Replace(deployment, "      containers:", "      nodeSelector: {gpu: 'yes'}\n      containers:", 1), []runtime.Object{node(nil)}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			found := checked(t, cluster(nil, c.objects...), c.manifest)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, "preflight/unschedulable", found[0].Code)
			require.Equal(t, "DaemonSet/agent", found[0].Object)
			require.Contains(t, found[0].Message, c.want)
			require.Equal(t, c.blocks, found[0].Blocks)
		})
	}
}

// https://github.com/rancher/rancher/issues/27831
func TestCheck_PodsThatNameANodeThatThereIsNotBlock(t *testing.T) {
	on := func(node string) string {
		return strings.Replace(deployment, "      containers:", "      nodeName: "+node+"\n      containers:", 1)
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"},
		Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("4Gi")}}}
	require.Empty(t, checked(t, cluster(nil, node), on("node-1")))
	found := checked(t, cluster(nil, node), on("node-2"))
	require.Len(t, found, 1)
	require.Equal(t, "preflight/unschedulable", found[0].Code)
	require.Contains(t, found[0].Message, `its pods name the node "node-2", which is not there`)
	require.Contains(t, found[0].Message, "there is node-1")
	require.True(t, found[0].Blocks)
}
