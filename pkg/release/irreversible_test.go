package release

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/verdict"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

const claimPath = "/api/v1/namespaces/portal/persistentvolumeclaims/data"

// changing is a chart of which each kind has a field that the image changes and
// the API server does not let change back.
const changing = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: {{ if hasSuffix "two" .Values.image.repository }}2Gi{{ else }}1Gi{{ end }}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "{{ .Values.image.repository }}"}]}}
`

// stackrox/stackrox#22513, helm/helm#11359, grafana/helm-charts#3125 (its manifest
// has another volumeName): the other objects go back all the same.
func TestARollbackLeavesAVolumeThatCannotShrink(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, changing)
	apply(t, r, "one")
	require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
	apiserver.Amend(cluster, claimPath, func(c *corev1.PersistentVolumeClaim) {
		c.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse("2Gi")
	})
	apiserver.Amend(cluster, deploymentPath, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "two" })
	plan, err := r.PlanRollback(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1, "%v", plan.Changes)
	applied, err := r.Rollback(t.Context(), 1, nil)
	require.NoError(t, err)
	require.Len(t, applied.Repairs, 1)
	require.Contains(t, applied.Repairs[0], "left PersistentVolumeClaim/data as it is, because it cannot go back")
	require.Equal(t, "registry.test/one", only(cluster.Object(deploymentPath).(*appsv1.Deployment)).Containers[0].Image)
	require.Equal(t, "2Gi", cluster.Object(claimPath).(*corev1.PersistentVolumeClaim).Spec.Resources.Requests.Storage().String())
	drift, err := r.Drift(t.Context(), 2)
	require.NoError(t, err)
	require.Empty(t, drift)
}

// A Job's pods cannot change: going back makes it anew (fleetdm/fleet#21354).
func TestARollbackMakesAnewWhatCannotChange(t *testing.T) {
	const jobPath = "/apis/batch/v1/namespaces/portal/jobs/migrate"
	r, cluster := open(t)
	r.Chart = chartOf(t, `apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: migrate, image: "{{ .Values.image.repository }}"}]}}}
`)
	apply(t, r, "one")
	apiserver.Amend(cluster, jobPath, func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Image = "two" })
	before := cluster.Object(jobPath).(*batchv1.Job).UID
	cluster.Refuse = func(verb string, object runtime.Object) *metav1.Status {
		job, isJob := object.(*batchv1.Job)
		if !isJob || verb == http.MethodPost || job.Spec.Template.Spec.Containers[0].Image == "two" {
			return nil
		}
		return &metav1.Status{Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
			Message: `Job.batch "migrate" is invalid: spec.template: Invalid value: {}: field is immutable`}
	}
	plan, err := r.PlanRollback(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "Job/migrate (is made anew)", plan.Changes[0].String())
	applied, err := r.Rollback(t.Context(), 1, nil)
	require.NoError(t, err)
	require.Contains(t, strings.Join(applied.Repairs, "\n"), "made Job/migrate anew, because it cannot be changed back")
	job := cluster.Object(jobPath).(*batchv1.Job)
	require.NotEqual(t, before, job.UID)
	require.Equal(t, "registry.test/one", job.Spec.Template.Spec.Containers[0].Image)
}

// helm/helm#3797: a claim that is used and was deleted is still there, for now.
func TestAnObjectThatIsBeingDeletedIsDrift(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, changing)
	apply(t, r, "one")
	apiserver.Amend(cluster, claimPath, func(c *corev1.PersistentVolumeClaim) {
		c.DeletionTimestamp, c.Finalizers = &metav1.Time{Time: time.Now()}, []string{"kubernetes.io/pvc-protection"}
	})
	drift, err := r.Drift(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, drift, 1)
	require.Equal(t, "PersistentVolumeClaim/data (is being deleted, and its data goes with it as soon as nothing uses it)", drift[0].String())
}

// helm/helm#10983: an object moved to another release.
func TestAnObjectOfAnotherReleaseIsNotDeleted(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, `apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
`)
	apply(t, r, "one")
	apiserver.Amend(cluster, configPath+"shared", func(c *corev1.ConfigMap) { c.Annotations["meta.helm.sh/release-name"] = "other" })
	r.Chart = chartOf(t, changing)
	plan, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	require.NotContains(t, plan.Changes, record.Change{Object: "ConfigMap/shared", Action: "delete"})
	applied := apply(t, r, "one")
	require.NotNil(t, cluster.Object(configPath+"shared"))
	require.Equal(t, []string{`left ConfigMap/shared in place: it belongs to release "other" of namespace "portal" now`}, applied.Repairs)
}

// helm/helm#8900: with the kind went its objects.
func TestARecordMayHoldKindsThatTheClusterHasNoMore(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, changing)
	apply(t, r, "one")
	stored, err := r.record(t.Context(), 1)
	require.NoError(t, err)
	stored.Manifest += "\n---\napiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {minAvailable: 1}\n"
	stored.Labels = r.notary().State(verdictRecord(stored), verdict.Statement{Mark: record.MarkGood, At: time.Now()})
	require.NoError(t, r.helm.config.Releases.Update(stored))
	const line = "left PodDisruptionBudget/web out: the cluster has no policy/v1beta1 of that kind any more"
	for name, change := range map[string]func(*Release) (record.Applied, error){
		"apply":    func(r *Release) (record.Applied, error) { return r.Apply(t.Context(), image("one")) },
		"rollback": func(r *Release) (record.Applied, error) { return r.Rollback(t.Context(), 1, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			r := reopen(t, cluster).with(r.Chart)
			_, err := r.Plan(t.Context(), image("one").Image())
			require.NoError(t, err)
			_, err = r.PlanRollback(t.Context(), 1)
			require.NoError(t, err)
			applied, err := change(r)
			require.NoError(t, err)
			require.Equal(t, []string{line}, applied.Repairs)
			drift, err := r.Drift(t.Context(), applied.Revision.Number)
			require.NoError(t, err)
			require.Empty(t, drift)
			killed(t, r, "superseded")
		})
	}
}
