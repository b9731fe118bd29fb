package preflight

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// cloudfoundry-incubator/kubecf#1325, open-sspm/open-sspm#135, gomods/athens#1562: the
// Service selects the next version before a pod of it is there.
func TestCheck_AServiceThatLeadsNowhereMeanwhileIsTold(t *testing.T) {
	pod := func(ready corev1.ConditionStatus) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "prod", Labels: map[string]string{"app": "web", "version": "1"}},
			Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}}},
			Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}}}
	}
	live := func(target intstr.IntOrString) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "prod"}, Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "web", "version": "1"}, Ports: []corev1.ServicePort{{Port: 80, Protocol: corev1.ProtocolTCP, TargetPort: target}}}}
	}
	planned := func(selector, port string) string {
		return "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {" + selector + "}, ports: [{" + port + "}]}\n"
	}
	const same, port = "app: web, version: '1'", "port: 80, targetPort: http"
	named, number := intstr.FromString("http"), intstr.FromInt32(8080)
	for name, c := range map[string]struct {
		next  string
		live  *corev1.Service
		pod   *corev1.Pod
		words string // "" for nothing to tell
	}{
		"a selector with the version":          {planned("app: web, version: '2'", port), live(named), pod(corev1.ConditionTrue), "its selector changes from app=web,version=1 to app=web,version=2, which no pod has that runs now: from the moment"},
		"a selector without it":                {planned("app: web", port), live(named), pod(corev1.ConditionTrue), ""},
		"a selector that stays":                {planned(same, port), live(named), pod(corev1.ConditionTrue), ""},
		"nobody is served now":                 {planned("app: web, version: '2'", port), live(named), pod(corev1.ConditionFalse), ""},
		"a new Service":                        {planned("app: web, version: '2'", port), nil, pod(corev1.ConditionTrue), ""},
		"another number":                       {planned(same, "port: 80, targetPort: 7007"), live(number), pod(corev1.ConditionTrue), "the targetPort of its port 80 changes from 8080 to 7007, which no pod has that runs now"},
		"another name":                         {planned(same, "port: 80, targetPort: web"), live(named), pod(corev1.ConditionTrue), "the targetPort of its port 80 changes from http to web"},
		"the name of the number":               {planned(same, port), live(number), pod(corev1.ConditionTrue), ""},
		"the number of the name":               {planned(same, "port: 80, targetPort: 8080"), live(named), pod(corev1.ConditionTrue), ""},
		"the API server's default":             {planned(same, "port: 80"), live(intstr.FromInt32(80)), pod(corev1.ConditionTrue), ""},
		"a port that the Service did not have": {planned(same, "port: 81, targetPort: 7007"), live(number), pod(corev1.ConditionTrue), ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := cluster(nil, c.pod)
			if c.live != nil {
				require.NoError(t, client.Tracker().Add(c.live))
			}
			found := checked(t, client, deployment+c.next)
			if c.words == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, "preflight/service-gap", found[0].Code)
			require.False(t, found[0].Blocks)
			require.Contains(t, found[0].Message, c.words)
		})
	}
}

// helm/helm#3752, VictoriaMetrics/helm-charts#34, kubernetes/kubernetes#64023
func TestCheck_AStatefulSetWhoseNameIsTooLongForItsPodsBlocks(t *testing.T) {
	named := func(kind string, length int) string {
		return strings.Replace(strings.Replace(deployment, "kind: Deployment", "kind: "+kind, 1), "name: web}", "name: "+strings.Repeat("a", length)+"}", 1)
	}
	require.Empty(t, checked(t, cluster(nil), named("StatefulSet", 52)))
	require.Empty(t, checked(t, cluster(nil), named("Deployment", 60)))
	found := checked(t, cluster(nil), named("StatefulSet", 53))
	require.Len(t, found, 1)
	require.True(t, found[0].Blocks)
	require.Contains(t, found[0].String(), "its name has 53 characters, and pods of a StatefulSet cannot be made from 53 on")
	require.Contains(t, found[0].String(), "[preflight/name-too-long]")
}

// bitnami/charts#15936: the policy goes over to the next version before a pod of it is there.
func TestCheck_APolicyThatLeavesTheRunningPodsIsTold(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "prod", Labels: map[string]string{"app": "web", "chart": "web-1"}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}
	live := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "prod"}, Spec: networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web", "chart": "web-1"}}}}
	for selector, told := range map[string]bool{"{matchLabels: {app: web, chart: web-2}}": true, "{matchLabels: {app: web}}": false, "{}": false, "{matchLabels: {app: web, chart: web-1}}": false} {
		found := checked(t, cluster(nil, pod, live), deployment+"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\nspec: {podSelector: "+selector+"}\n")
		require.Len(t, found, map[bool]int{true: 1}[told], selector)
		if told {
			require.Contains(t, found[0].String(), "NetworkPolicy/web: its selector changes from app=web,chart=web-1 to app=web,chart=web-2, which no pod has that runs now")
		}
	}
}

// kubernetes/kubernetes#78761, #116898, #124307, nextcloud/helm#22, helm/charts#18757
func TestCheck_AnAutoscalerThatCountsTheCachesPodsIsTold(t *testing.T) {
	const scaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n"
	other := func(pairs string) string {
		return "---" + strings.NewReplacer("{name: web}", "{name: cache}", "{app: web}", pairs).Replace(deployment)
	}
	require.Empty(t, checked(t, cluster(nil), deployment+scaler+other("{app: cache}")))
	require.Empty(t, checked(t, cluster(nil), deployment+other("{app: web, component: cache}")), "nobody counts them")
	found := checked(t, cluster(nil), deployment+scaler+other("{app: web, component: cache}"))
	require.Len(t, found, 1)
	require.Equal(t, "preflight/shared-selector", found[0].Code)
	require.False(t, found[0].Blocks)
	require.Contains(t, found[0].String(), "HorizontalPodAutoscaler/web: it counts the pods of Deployment/cache, too: the selector of Deployment/web, which it scales, fits both")
}
