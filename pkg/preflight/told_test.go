package preflight

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// `status` tells of all pods that nodes have ended, a deploy only of those that wrote too
// much (decocms/studio#7011, kubernetes/kubernetes#116986).
func TestEvicted_NamesPodsThatTheirNodesHaveEnded(t *testing.T) {
	ended := func(name, reason, message string) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: reason, Message: message}}
	}
	rejected, pressed := ended("web-a", "UnexpectedAdmissionError", "no device"), ended("web-b", "Evicted", "The node was low on resource: memory. ")
	_, found := Evicted("Deployment/web", []corev1.Pod{rejected})
	require.False(t, found)
	told, found := Evicted("Deployment/web", []corev1.Pod{rejected, pressed})
	require.True(t, found)
	require.Equal(t, record.Concern{Code: "preflight/evicted", Object: "Deployment/web",
		Message: "the nodes have ended 1 of its pods, Pod/web-b last: The node was low on resource: memory.",
		Advice:  "kubectl delete pod removes those that have ended"}, told)
}

// What nobody waits for, and what is wrong all the same.
func TestCheck_WhatNoRolloutShowsIsTold(t *testing.T) {
	secured := func(annotations string) string {
		return webService + strings.Replace(strings.Replace(ingressTo("web", "name: http"), "spec: {", "spec: {tls: [{hosts: [a.test], secretName: web-tls}], ", 1), "{name: web}", "{name: web, annotations: {"+annotations+"}}", 1)
	}
	claim := "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: dumps}\nspec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
	scaler := func(target string) string {
		return "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, metrics: [{type: Resource, resource: {name: memory, target: {" + target + "}}}]}\n"
	}
	plain := strings.Replace(deployment, "resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 200m, memory: 128Mi}}", "resources: {}", 1)
	range1 := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "all", Namespace: "prod"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
		{Type: corev1.LimitTypeContainer, DefaultRequest: corev1.ResourceList{"memory": resource.MustParse("64Mi")}}}}}
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "by-hand"}, Spec: corev1.PersistentVolumeSpec{StorageClassName: "fast"}}
	over := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-old", Namespace: "prod", Labels: map[string]string{"app": "web"}},
		Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: `Usage of EmptyDir volume "tmp" exceeds the limit "1Gi". `}}
	pressed := over.DeepCopy()
	pressed.Status.Message = "The node was low on resource: ephemeral-storage. "
	exposed := func(kind string, port int) string {
		return fmt.Sprintf("---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: %s, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http, nodePort: %d}]}\n", kind, port)
	}
	given := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "proxy", Namespace: "edge"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443, NodePort: 443}}}}
	for name, c := range map[string]struct {
		manifest string
		objects  []runtime.Object
		code     string
		words    string
	}{
		// kubernetes/ingress-nginx#13285, bitnami/charts#4056
		"a certificate that nobody has made": {secured(""), nil, "preflight/leads-nowhere", "spec.tls[0] names Secret/web-tls, which is neither in the chart nor in namespace prod: visitors of a.test get"},
		"one that is there":                  {secured(""), []runtime.Object{&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "web-tls", Namespace: "prod"}}}, "", ""},
		"one that cert-manager will make":    {secured("cert-manager.io/cluster-issuer: le"), nil, "", ""},
		"one of a Certificate of the chart":  {secured("") + "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\nspec: {secretName: web-tls}\n", nil, "", ""},
		// decocms/studio#7011, kubernetes/kubernetes#116986
		"pods that wrote too much":    {"", []runtime.Object{over}, "preflight/evicted", `the nodes have ended 1 of its pods for what they wrote, Pod/web-old last: Usage of EmptyDir volume "tmp" exceeds the limit "1Gi".`},
		"pods of a node without room": {"", []runtime.Object{pressed}, "", ""},
		// kubernetes/kubernetes#75540, Mailu/helm-charts#268, redpanda-data/redpanda#13347
		"a port that nodes do not give":   {exposed("NodePort", 80), nil, "preflight/node-port", "spec.ports[0].nodePort is 80; unless this cluster has a range of its own, the API server gives 30000 to 32767 only"},
		"one that this cluster has given": {exposed("NodePort", 80), []runtime.Object{given}, "", ""},
		"one that they give":              {exposed("LoadBalancer", 30080), nil, "", ""},
		// helm/helm#10733
		"a claim of a class that is not there": {claim, nil, "preflight/reference", "its claim dumps is of StorageClass/fast, which is not there"},
		"a claim for a volume by hand":         {claim, []runtime.Object{volume}, "", ""},
		// kubernetes/kubernetes#79365, hyscale/hyscale#200
		"a share of no request":       {scaler("type: Utilization, averageUtilization: 80"), nil, "preflight/no-request", "by the share of the memory that its pods ask for, and container web asks for none: it never scales"},
		"an amount":                   {scaler("type: AverageValue, averageValue: 1Gi"), nil, "", ""},
		"a request by a LimitRange's": {scaler("type: Utilization, averageUtilization: 80"), []runtime.Object{range1}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			found := checked(t, cluster(nil, c.objects...), plain+c.manifest)
			if c.words == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, c.code, found[0].Code)
			require.Contains(t, found[0].Message, c.words)
			require.False(t, found[0].Blocks)
		})
	}
}
