package release

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stagecrew/stagecrew/test/apiserver"
)

// wrote notes that a manager wrote fields of a Deployment.
func wrote(d *appsv1.Deployment, manager, subresource, fields string) {
	d.ManagedFields = append(d.ManagedFields, metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "apps/v1", FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(fields), Subresource: subresource,
	})
	d.Generation++
}

// template begins the fields of a Deployment's container, as a manager wrote them.
const template = `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{`

func TestDriftNamesWhatSomebodyChangedAndNothingElse(t *testing.T) {
	cases := map[string]struct {
		change func(*appsv1.Deployment)
		want   string
	}{
		// helm/helm#12768
		"kubectl set image": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Image = "busybox:1.36"
			wrote(d, "kubectl-set", "", template+`"f:image":{}}}}}}}`)
		}, "spec.template.spec.containers[web].image"},
		"kubectl set env": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "HOTFIX", Value: "1"}}
			wrote(d, "kubectl-set", "", template+`"f:env":{".":{},"k:{\"name\":\"HOTFIX\"}":{".":{},"f:name":{},"f:value":{}}}}}}}}}`)
		}, "spec.template.spec.containers[web].env"},
		"kubectl scale": {func(d *appsv1.Deployment) {
			d.Spec.Replicas = new(int32(0))
			wrote(d, "kubectl", "scale", `{"f:spec":{"f:replicas":{}}}`)
		}, "spec.replicas"},
		"kube-downscaler": {func(d *appsv1.Deployment) {
			d.Spec.Replicas = new(int32(0))
			wrote(d, "kube-downscaler", "", `{"f:spec":{"f:replicas":{}}}`)
		}, "spec.replicas"},
		"kubectl rollout undo": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Image = "registry.test/older"
			d.Spec.Template.Spec.TerminationGracePeriodSeconds = new(int64(5))
			wrote(d, "kubectl-rollout", "", `{"f:spec":{"f:template":{"f:spec":{"f:terminationGracePeriodSeconds":{}}}}}`)
		}, "spec.template.spec.containers[web].image, spec.template.spec.terminationGracePeriodSeconds"},
		"kubectl rollout pause": {func(d *appsv1.Deployment) {
			d.Spec.Paused = true
			wrote(d, "kubectl-rollout", "", `{"f:spec":{"f:paused":{}}}`)
		}, "spec.paused"},
		"another container beside it, by kubectl edit": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "debug", Image: "x"})
			wrote(d, "kubectl-edit", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"debug\"}":{".":{},"f:name":{},"f:image":{}}}}}}}`)
		}, "spec.template.spec.containers[debug]"},
		"kubectl rollout restart": {func(d *appsv1.Deployment) {
			d.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "2026-11-26T00:00:00Z"}
			wrote(d, "kubectl-rollout", "", `{"f:spec":{"f:template":{"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/restartedAt":{}}}}}}`)
		}, ""},
		// stakater/Reloader
		"a controller that restarts pods by an annotation": {func(d *appsv1.Deployment) {
			d.Spec.Template.Annotations = map[string]string{"reloader.stakater.com/last-reloaded-from": "x"}
			wrote(d, "Reloader", "", `{"f:spec":{"f:template":{"f:metadata":{"f:annotations":{".":{},"f:reloader.stakater.com/last-reloaded-from":{}}}}}}`)
		}, ""},
		"one that does it by a variable": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "STAKATER_X", Value: "1"}}
			wrote(d, "Reloader", "", template+`"f:env":{".":{},"k:{\"name\":\"STAKATER_X\"}":{".":{},"f:name":{},"f:value":{}}}}}}}}}`)
		}, ""},
		"a variable beside that one": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "STAKATER_X", Value: "1"}, {Name: "LD_PRELOAD", Value: "/tmp/x"}}
			wrote(d, "Reloader", "", template+`"f:env":{".":{},"k:{\"name\":\"STAKATER_X\"}":{".":{},"f:name":{},"f:value":{}}}}}}}}}`)
		}, "spec.template.spec.containers[web].env[LD_PRELOAD]"},
		// The managers of k9s, Lens and generated clients are neither kubectl's nor Helm's.
		"another container beside it, by k9s": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "miner", Image: "x"})
			wrote(d, "k9s", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"miner\"}":{".":{},"f:name":{},"f:image":{}}}}}}}`)
		}, "spec.template.spec.containers[miner]"},
		"one before it, by nobody that is noted": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.InitContainers = []corev1.Container{{Name: "first", Image: "x"}}
			d.Generation, d.ManagedFields = d.Generation+1, nil
		}, "spec.template.spec.initContainers"},
		"the node's network and more rights, by Lens": {func(d *appsv1.Deployment) {
			spec := &d.Spec.Template.Spec
			spec.HostPID, spec.HostNetwork, spec.Containers[0].SecurityContext = true, true, &corev1.SecurityContext{Privileged: new(true)}
			wrote(d, "node-fetch", "", `{"f:spec":{"f:template":{"f:spec":{"f:hostPID":{},"f:hostNetwork":{}}}}}`)
		}, "spec.template.spec.containers[web].securityContext, spec.template.spec.hostNetwork, spec.template.spec.hostPID"},
		"paused by a program": {func(d *appsv1.Deployment) {
			d.Spec.Paused = true
			wrote(d, "OpenAPI-Generator", "", `{"f:spec":{"f:paused":{}}}`)
		}, "spec.paused"},
		"the resources, by an autoscaler": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("1")}
			wrote(d, "optimizer", "", template+`"f:resources":{"f:limits":{".":{},"f:cpu":{}}}}}}}}}`)
		}, ""},
		"the controller's own annotation": {func(d *appsv1.Deployment) {
			d.Annotations["deployment.kubernetes.io/revision"] = "7"
			d.Status.ReadyReplicas = 1
		}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = chartOf(t, growing)
			apply(t, r, "one")
			apiserver.Amend(cluster, deploymentPath, c.change)
			for _, reader := range []*Release{r, reopen(t, cluster)} { // with and without what the apply knows
				drift, err := reader.Drift(t.Context(), 1)
				require.NoError(t, err)
				if c.want == "" {
					require.Empty(t, drift)
					continue
				}
				require.Len(t, drift, 1)
				require.Equal(t, "Deployment/web (update: "+c.want+")", drift[0].String())
			}
		})
	}
}

// Helm leaves a number alone that the chart does not give, and one that an autoscaler
// decides on: that nothing runs is somebody's doing all the same.
func TestZeroReplicasThatNobodyDeclaredAreDrift(t *testing.T) {
	without := regexp.MustCompile(`(?m)^ *replicas:.*\n`).ReplaceAllString(web, "")
	zero := regexp.MustCompile(`(?m)replicas:.*$`).ReplaceAllString(web, "replicas: 0")
	least := func(n string) string {
		return strings.Replace(scaler, "maxReplicas: 9", "minReplicas: "+n+", maxReplicas: 9", 1)
	}
	live := func(more string) func(*apiserver.API) {
		return func(c *apiserver.API) {
			c.Put(hpaPath+"x", strings.Replace(keda, `"namespace":"portal"`, `"namespace":"portal"`+more, 1))
		}
	}
	for name, c := range map[string]struct {
		chart   string
		prepare func(*apiserver.API)
		drifts  bool
	}{
		"the chart gives no number":     {without, nil, true},
		"the chart gives one":           {web, nil, true},
		"the chart wants none":          {zero, nil, false},
		"an autoscaler of the chart":    {without + "---\n" + scaler, nil, true},
		"one that never goes below two": {zero + "---\n" + least("2"), nil, true},
		"one that may go to none":       {without + "---\n" + least("0"), nil, false},
		"one that somebody else made":   {without, live(""), true},
		"one that KEDA made":            {without, live(`,"ownerReferences":[{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledObject","name":"web","uid":"1","controller":true}]`), false},
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = chartOf(t, c.chart)
			apply(t, r, "one")
			if c.prepare != nil {
				c.prepare(cluster)
			}
			apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) {
				d.Spec.Replicas = new(int32(0))
				wrote(d, "kubectl", "scale", `{"f:spec":{"f:replicas":{}}}`)
			})
			for _, reader := range []*Release{r, reopen(t, cluster)} {
				drift, err := reader.Drift(t.Context(), 1)
				require.NoError(t, err)
				if !c.drifts {
					require.Empty(t, drift)
					continue
				}
				require.Len(t, drift, 1)
				require.Equal(t, "Deployment/web (update: spec.replicas)", drift[0].String())
				require.Contains(t, drift[0].Diff, "-  replicas: 0")
				require.Equal(t, c.chart != web, drift[0].IsOpen(), "a number of the manifest's own comes back with the next change")
			}
		})
	}
}

// A webhook that acts on CREATE only: its sidecar is no leftover, and its other
// image no edit. The API server notes the creator as the writer of both.
func TestWhatAdmissionDoesToNewObjectsIsNoDrift(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, growing)
	cluster.Refuse = func(verb string, object runtime.Object) *metav1.Status {
		if d, ok := object.(*appsv1.Deployment); ok && verb == http.MethodPost {
			d.Spec.Template.Spec.Containers[0].Image = "mirror/" + d.Spec.Template.Spec.Containers[0].Image
			d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "sidecar", Image: "mesh"})
			d.ManagedFields[0].FieldsV1 = metav1.NewFieldsV1(strings.Replace(string(d.ManagedFields[0].FieldsV1.GetRawBytes()), `"f:containers":{`,
				`"f:containers":{"k:{\"name\":\"sidecar\"}":{".":{},"f:name":{},"f:image":{}},`, 1))
		}
		return nil
	}
	apply(t, r, "one")
	require.Len(t, only(cluster.Object(deploymentPath).(*appsv1.Deployment)).Containers, 2)
	for _, reader := range []*Release{r, reopen(t, cluster)} {
		drift, err := reader.Drift(t.Context(), 1)
		require.NoError(t, err)
		require.Empty(t, drift)
	}
	apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "debug" })
	drift, err := reopen(t, cluster).Drift(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, drift, 1)
	require.Equal(t, "spec.template.spec.containers[web].image", drift[0].Fields)
}

func TestDriftAfterAnApplyTakesOneRequestForEachKind(t *testing.T) {
	r, cluster := open(t)
	var chart strings.Builder
	for i := range 60 {
		fmt.Fprintf(&chart, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\ndata: {a: b}\n", i)
	}
	r.Chart = chartOf(t, chart.String())
	apply(t, r, "one")
	apply(t, r, "one")
	var requests atomic.Int32
	cluster.Meet = func(_ http.ResponseWriter, request *http.Request) bool {
		if strings.Contains(request.URL.Path, "/configmaps") {
			requests.Add(1)
		}
		return false
	}
	drift, err := r.Drift(t.Context(), 2)
	require.NoError(t, err)
	require.Empty(t, drift)
	require.EqualValues(t, 1, requests.Load())
	apiserver.Amend(cluster, configPath+"c7", func(c *corev1.ConfigMap) { c.Data["a"] = "c" })
	drift, err = r.Drift(t.Context(), 2)
	require.NoError(t, err)
	require.Len(t, drift, 1)
	require.Equal(t, "ConfigMap/c7 (update: data.a)", drift[0].String())
}

// fluxcd/helm-controller#643: a webhook that is not called in a dry run, or that
// makes it fail, has left its mark on the object.
func TestAWebhookThatCannotBeTriedHidesOnlyWhatTheManifestDoesNotName(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, growing)
	apply(t, r, "one")
	cluster.Meet = func(w http.ResponseWriter, request *http.Request) bool {
		if request.URL.Query().Get("dryRun") == "" {
			return false
		}
		apiserver.Refusal(w, metav1.Status{Code: http.StatusBadRequest, Reason: metav1.StatusReasonBadRequest, Message: `admission webhook "w" does not support dry run`})
		return true
	}
	apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) {
		d.Annotations["prometheus-operator-validated"], d.Generation = "true", d.Generation+1
	})
	drift, err := r.Drift(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, drift)
	apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Image, d.Generation = "debug", d.Generation+1
	})
	drift, err = r.Drift(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, drift, 1)
	require.Equal(t, "spec.template.spec.containers[web].image", drift[0].Fields)
}

func TestWhoeverOpensAServiceIsNamed(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, growing)
	apply(t, r, "one")
	apiserver.Amend(cluster, "/api/v1/namespaces/portal/services/zz-last", func(s *corev1.Service) {
		s.Spec.ClusterIP, s.Spec.ClusterIPs, s.Spec.Ports[0].NodePort = "10.0.0.7", []string{"10.0.0.7"}, 30080 // the API server's
		s.Spec.LoadBalancerIP = "192.0.2.1"                                                                     // kube-vip
		s.Spec.Selector["rollouts-pod-template-hash"] = "5d8f"                                                  // Argo Rollouts
	})
	drift, err := reopen(t, cluster).Drift(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, drift)
	apiserver.Amend(cluster, "/api/v1/namespaces/portal/services/zz-last", func(s *corev1.Service) {
		s.Spec.ExternalIPs, s.Spec.Selector["app"] = []string{"203.0.113.9"}, "other"
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Port: 22})
	})
	drift, err = reopen(t, cluster).Drift(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, drift, 1)
	require.Equal(t, "spec.externalIPs, spec.ports[22/TCP], spec.selector.app", drift[0].Fields)
	apply(t, r, "one")
	service := cluster.Object("/api/v1/namespaces/portal/services/zz-last").(*corev1.Service)
	require.Empty(t, service.Spec.ExternalIPs)
	require.Len(t, service.Spec.Ports, 1)
	require.Equal(t, "10.0.0.7", service.Spec.ClusterIP)
	require.Equal(t, map[string]string{"app": "web", "rollouts-pod-template-hash": "5d8f"}, service.Spec.Selector)
}
