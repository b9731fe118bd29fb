package release

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

const (
	deploymentPath = "/apis/apps/v1/namespaces/portal/deployments/web"
	configPath     = "/api/v1/namespaces/portal/configmaps/"
)

// growing is a chart whose image "bad" brings more of everything.
const growing = `{{ $bad := hasSuffix "bad" .Values.image.repository }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data: {color: red{{ if $bad }}, extra: "1"{{ end }}}
{{ if $bad }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: added}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: keep, annotations: {helm.sh/resource-policy: keep}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: files}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
{{ end }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
{{- if $bad }}
      terminationGracePeriodSeconds: 99
{{- end }}
      containers:
      - name: web
        image: "{{ .Values.image.repository }}"
{{- if $bad }}
        env: [{name: MODE, value: bad}]
      - {name: extra, image: extra}
{{- end }}
---
apiVersion: v1
kind: Service
metadata: {name: zz-last}
spec: {selector: {app: web}, ports: [{port: 80}]}
`

// halfway applies a good revision and a bad one that fails at its last object.
func halfway(t *testing.T) (*Release, *apiserver.API) {
	t.Helper()
	r, cluster := open(t)
	r.Chart = chartOf(t, growing)
	apply(t, r, "good")
	require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
	cluster.RefuseName("web", apierrors.NewBadRequest("not now"))
	_, err := r.Apply(t.Context(), image("bad"))
	require.Error(t, err)
	cluster.Refuse = nil
	return reopen(t, cluster).with(r.Chart), cluster
}

func (r *Release) with(chart string) *Release {
	r.Chart = chart
	return r
}

func TestWhatAFailedRevisionLeftIsRemoved(t *testing.T) {
	for name, change := range map[string]func(*Release) (record.Applied, error){
		"by a rollback":    func(r *Release) (record.Applied, error) { return r.Rollback(t.Context(), 1, nil) },
		"by the next good": func(r *Release) (record.Applied, error) { return r.Apply(t.Context(), image("good")) },
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := halfway(t)
			require.NotNil(t, cluster.Object(configPath+"added"))
			applied, err := change(r)
			require.NoError(t, err)
			require.Nil(t, cluster.Object(configPath+"added"))
			require.NotNil(t, cluster.Object(configPath+"keep"), "the chart said keep")
			require.NotNil(t, cluster.Object("/api/v1/namespaces/portal/persistentvolumeclaims/files"), "data is never removed")
			require.Equal(t, map[string]string{"color": "red"}, cluster.Object(configPath+"settings").(*corev1.ConfigMap).Data)
			if strings.Contains(t.Name(), "good") { // a rollback's own patch set has it
				require.Contains(t, applied.Repairs, "removed ConfigMap/added, left over from revision 2")
			}
			require.Contains(t, applied.Repairs, "left PersistentVolumeClaim/files of revision 2 in place, because data may go with it; remove it by hand if nobody needs it")
			drift, err := r.Drift(t.Context(), applied.Revision.Number)
			require.NoError(t, err)
			require.Empty(t, drift)
		})
	}
}

func TestALeftoverThatAnotherReleaseOwnsStays(t *testing.T) {
	r, cluster := halfway(t)
	apiserver.Amend(cluster, configPath+"added", func(c *corev1.ConfigMap) { c.Annotations["meta.helm.sh/release-name"] = "other" })
	applied, err := r.Apply(t.Context(), image("good"))
	require.NoError(t, err)
	require.NotNil(t, cluster.Object(configPath+"added"))
	require.NotContains(t, applied.Repairs, "removed ConfigMap/added, left over from revision 2")
}

// Helm's patch starts from the last deployed revision, which has no second
// container: it would survive (helm #13346).
func TestFieldsOfAFailedRevisionGoWithTheSamePatch(t *testing.T) {
	for name, change := range map[string]func(*Release) (record.Applied, error){
		"by a rollback":    func(r *Release) (record.Applied, error) { return r.Rollback(t.Context(), 1, nil) },
		"by the next good": func(r *Release) (record.Applied, error) { return r.Apply(t.Context(), image("good")) },
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = chartOf(t, growing)
			apply(t, r, "good")
			cluster.RefuseName("settings", apierrors.NewBadRequest("not now"))
			_, err := r.Apply(t.Context(), image("bad"))
			require.Error(t, err)
			cluster.Refuse = nil
			require.Len(t, only(cluster.Object(deploymentPath).(*appsv1.Deployment)).Containers, 2)
			require.Len(t, only(cluster.Object(deploymentPath).(*appsv1.Deployment)).Containers[0].Env, 1)
			cluster.Writes("")
			applied, err := change(r)
			require.NoError(t, err)
			pods := only(cluster.Object(deploymentPath).(*appsv1.Deployment))
			require.Len(t, pods.Containers, 1)
			require.Empty(t, pods.Containers[0].Env)
			require.Nil(t, pods.TerminationGracePeriodSeconds)
			require.NotContains(t, strings.Join(applied.Repairs, "\n"), "Deployment/web")
			require.Equal(t, []string{"PATCH " + deploymentPath}, cluster.Writes("/deployments/"), "one rollout, not two")
		})
	}
}

func only(d *appsv1.Deployment) corev1.PodSpec { return d.Spec.Template.Spec }

// What no record explains: revision 2 was killed, and its record pruned.
func TestFieldsThatNoRecordExplainsAreRepaired(t *testing.T) {
	r, cluster := halfway(t)
	_, err := r.helm.config.Releases.Delete("backstage", 2)
	require.NoError(t, err)
	applied, err := r.Rollback(t.Context(), 1, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"ConfigMap/settings: data.extra: made as in the manifest again"}, applied.Repairs)
	require.Equal(t, map[string]string{"color": "red"}, cluster.Object(configPath+"settings").(*corev1.ConfigMap).Data)
}

func TestWhatOthersFilledInIsNoDifference(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, growing)
	apply(t, r, "good")
	apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) {
		d.Annotations["deployment.kubernetes.io/revision"] = "1"
		d.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "now"}
		d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "STAKATER_SETTINGS", Value: "sum"}}
		d.ManagedFields = append(d.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: "Reloader", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "apps/v1", FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:env":{".":{},"k:{\"name\":\"STAKATER_SETTINGS\"}":{".":{},"f:name":{}}}}}}}}}`),
		}, metav1.ManagedFieldsEntry{
			Manager: "kubectl-rollout", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "apps/v1", FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:template":{"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/restartedAt":{}}}}}}`),
		})
	})
	apiserver.Amend(cluster, "/api/v1/namespaces/portal/services/zz-last", func(s *corev1.Service) { s.Spec.ClusterIP = "10.0.0.7" })
	drift, err := r.Drift(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, drift)
	applied := apply(t, r, "good")
	require.Empty(t, applied.Repairs)
	require.Len(t, only(cluster.Object(deploymentPath).(*appsv1.Deployment)).Containers[0].Env, 1)
}

func TestAContainerThatAnyProgramAddedIsRemoved(t *testing.T) {
	for name, change := range map[string]func(*Release) (record.Applied, error){
		"by a rollback": func(r *Release) (record.Applied, error) { return r.Rollback(t.Context(), 1, nil) },
		"by a deploy":   func(r *Release) (record.Applied, error) { return r.Apply(t.Context(), image("good")) },
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = chartOf(t, growing)
			apply(t, r, "good")
			apply(t, r, "good")
			apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) {
				d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "miner", Image: "x"})
				wrote(d, "node-fetch", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"miner\"}":{".":{},"f:name":{},"f:image":{}}}}}}}`)
			})
			applied, err := change(r)
			require.NoError(t, err)
			require.Contains(t, applied.Repairs, "Deployment/web: spec.template.spec.containers[miner]: made as in the manifest again")
			require.Len(t, only(cluster.Object(deploymentPath).(*appsv1.Deployment)).Containers, 1)
			drift, err := r.Drift(t.Context(), applied.Revision.Number)
			require.NoError(t, err)
			require.Empty(t, drift)
		})
	}
}

func TestDriftShowsWhatSomebodyChangedByHand(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, growing+"---\n"+withSecret)
	apply(t, r, "password")
	apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "debug" })
	apiserver.Amend(cluster, "/api/v1/namespaces/portal/secrets/db", func(s *corev1.Secret) { s.Data["password"] = []byte("hunter2hunter2") })
	cluster.Mu.Lock()
	delete(cluster.Objects, configPath+"settings")
	cluster.Mu.Unlock()
	drift, err := r.Drift(t.Context(), 1)
	require.NoError(t, err)
	got := map[string]string{}
	for _, change := range drift {
		got[change.Object] = string(change.Action)
		require.NotContains(t, change.Diff, "aHVudGVyMmh1bnRlcjI")
		require.NotContains(t, change.Diff, "registry.test/password", "a Secret's value elsewhere")
	}
	require.Equal(t, map[string]string{"ConfigMap/settings": "create", "Deployment/web": "update", "Secret/db": "update"}, got)
	require.Contains(t, drift[1].Diff+drift[2].Diff+drift[0].Diff, "-      - image: debug\n")
	before := cluster.Writes("")
	require.NotContains(t, before, "PUT "+deploymentPath, "looking changes nothing")
}

func TestPodsOfABadRevisionDoNotHoldUpAStatefulSet(t *testing.T) {
	const set = "/apis/apps/v1/namespaces/portal/statefulsets/db"
	pod := func(name, hash, ready, waiting string) (string, string) {
		return "/api/v1/namespaces/portal/pods/" + name, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"` + name + `","namespace":"portal",
			"labels":{"app":"db","controller-revision-hash":"` + hash + `"},
			"ownerReferences":[{"apiVersion":"apps/v1","kind":"StatefulSet","name":"db","uid":"set","controller":true}]},
			"status":{"conditions":[{"type":"Ready","status":"` + ready + `"}],
			"containerStatuses":[{"name":"db","image":"","imageID":"","ready":false,"restartCount":0,"state":{"waiting":{"reason":"` + waiting + `"}}}]}}`
	}
	prepare := func(t *testing.T) (*Release, *apiserver.API) {
		r, cluster := open(t)
		apply(t, r, "one")
		require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
		apply(t, r, "two")
		apiserver.Amend(cluster, set, func(s *appsv1.StatefulSet) {
			s.UID, s.Status.UpdateRevision = "set", "db-good"
		})
		for name, state := range map[string][3]string{
			"db-0": {"db-bad", "True", ""}, "db-1": {"db-bad", "False", "ImagePullBackOff"},
			"db-2": {"db-bad", "False", "ContainerCreating"}, "db-3": {"db-good", "False", "ImagePullBackOff"},
		} {
			path, text := pod(name, state[0], state[1], state[2])
			cluster.Put(path, text)
		}
		return r, cluster
	}
	t.Run("a rollback deletes those that are not ready", func(t *testing.T) {
		r, cluster := prepare(t)
		applied, err := r.Rollback(t.Context(), 1, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"DELETE /api/v1/namespaces/portal/pods/db-1", "DELETE /api/v1/namespaces/portal/pods/db-2"}, cluster.Writes("/pods/"))
		require.Len(t, applied.Repairs, 2)
		require.Contains(t, applied.Repairs[0], "deleted Pod/db-1 of StatefulSet/db")
	})
	t.Run("an apply deletes those that cannot start", func(t *testing.T) {
		r, cluster := prepare(t)
		apply(t, r, "three")
		require.Equal(t, []string{"DELETE /api/v1/namespaces/portal/pods/db-1"}, cluster.Writes("/pods/"))
	})
	t.Run("those below the partition stay", func(t *testing.T) {
		r, cluster := prepare(t)
		apiserver.Amend(cluster, set, func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: new(int32(2))}
		})
		_, err := r.Rollback(t.Context(), 1, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"DELETE /api/v1/namespaces/portal/pods/db-2"}, cluster.Writes("/pods/"))
	})
	t.Run("none before the controller has seen the change", func(t *testing.T) {
		r, cluster := prepare(t)
		apiserver.Amend(cluster, set, func(s *appsv1.StatefulSet) { s.Generation, s.Status.UpdateRevision = 2, "db-bad" })
		done := make(chan error, 1)
		go func() {
			_, err := r.Rollback(t.Context(), 1, nil)
			done <- err
		}()
		require.Never(t, func() bool { return len(done) > 0 }, 300*time.Millisecond, 10*time.Millisecond)
		apiserver.Amend(cluster, set, func(s *appsv1.StatefulSet) { s.Status.ObservedGeneration, s.Status.UpdateRevision = 2, "db-good" })
		require.NoError(t, <-done)
		require.Len(t, cluster.Writes("/pods/"), 2)
	})
}

// kubernetes/kubernetes#91670: a patch of a list whose items share their key comes out otherwise, and
// is mended while the Deployment's controller writes its status again and again. Seen on a cluster at load:
// a rollback that had worked ended as one that somebody had changed.
func TestWhatAPatchLeavesIsMendedWhileAControllerWritesTheObject(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, growing)
	apply(t, r, "one")
	apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.HostAliases = []corev1.HostAlias{{IP: "192.0.2.1", Hostnames: []string{"a"}}}
	})
	written := 0
	cluster.Refuse = func(verb string, object runtime.Object) *metav1.Status {
		if _, ok := object.(*appsv1.Deployment); !ok || verb != http.MethodPut || written == 7 {
			return nil
		}
		written++
		status := apierrors.NewConflict(schema.GroupResource{Group: "apps", Resource: "deployments"}, "web", errors.New("the object has been modified")).Status()
		return &status
	}
	applied := apply(t, r, "two")
	require.Equal(t, 7, written)
	require.Contains(t, applied.Repairs, "Deployment/web: spec.template.spec.hostAliases: made as in the manifest again")
	require.Empty(t, only(cluster.Object(deploymentPath).(*appsv1.Deployment)).HostAliases)
}
