package database

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
)

// running is a Deployment that uses the database of the world.
func running(replicas int32) *appsv1.Deployment {
	d := deployment(corev1.Container{Name: "backstage", Image: "r.test/portal@sha256:1", ReadinessProbe: &corev1.Probe{}, Env: []corev1.EnvVar{
		{Name: "POSTGRES_HOST", Value: "db"}, {Name: "POSTGRES_USER", Value: "admin"}, {Name: "POSTGRES_PASSWORD", Value: password},
	}})
	d.Spec.Replicas, d.Spec.Selector = &replicas, &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	d.Spec.Template.Spec.InitContainers = []corev1.Container{{Name: "wait"}}
	return d
}

// taking is a release whose two last migrations are to be taken back; as ends the Job.
func taking(t *testing.T, prefix string, as func(job *batchv1.Job, w *world)) (Down, []record.AppliedMigration) {
	t.Helper()
	w := newWorld(t, prefix)
	w.admin("postgres", "CREATE DATABASE "+prefix+"todo")
	w.knex(prefix+"todo", "knex_migrations", []string{"1_a.js"}, []string{"2_b.js", "3_c.js"})
	w.pods = []runtime.Object{running(3)}
	d := Down{Options: w.database().Options, Release: "portal"}
	d.Variables = []string{"prefix=PREFIX"}
	client := d.Client.(*fake.Clientset)
	web, err := client.AppsV1().Deployments("prod").Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	env := &web.Spec.Template.Spec.Containers[1].Env
	*env = append(*env, corev1.EnvVar{Name: "PREFIX", Value: prefix})
	_, err = client.AppsV1().Deployments("prod").Update(t.Context(), web, metav1.UpdateOptions{})
	require.NoError(t, err)
	client.PrependReactor("create", "jobs", func(action k8stesting.Action) (bool, runtime.Object, error) {
		job := action.(k8stesting.CreateAction).GetObject().(*batchv1.Job)
		job.Name = job.GenerateName + "x"
		as(job, w)
		return false, nil, nil
	})
	var down []record.AppliedMigration
	for _, name := range []string{"3_c.js", "2_b.js"} {
		down = append(down, record.AppliedMigration{Database: prefix + "todo", Schema: "public", Table: "knex_migrations", Folder: "todo/migrations", Name: name})
	}
	return d, down
}

func replicas(t *testing.T, d Down) (int32, string) {
	t.Helper()
	web, err := d.Client.AppsV1().Deployments("prod").Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	return *web.Spec.Replicas, web.Annotations[annotationReplicas]
}

func ends(job *batchv1.Job, as batchv1.JobConditionType) {
	job.Status.Conditions = []batchv1.JobCondition{{Type: as, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded"}}
}

func TestMigrationsAreTakenBackByAJob(t *testing.T) {
	d, down := taking(t, "alldown_", func(job *batchv1.Job, w *world) {
		pod := job.Spec.Template.Spec
		require.Equal(t, "r.test/portal@sha256:1", pod.Containers[0].Image)
		require.Equal(t, []string{"node", "-e"}, pod.Containers[0].Command[:2])
		require.Empty(t, pod.InitContainers)
		require.Nil(t, pod.Containers[0].ReadinessProbe)
		require.NotContains(t, job.Spec.Template.Labels, "app", "no Service sends it anything")
		order := pod.Containers[0].Env[len(pod.Containers[0].Env)-1].Value
		require.True(t, json.Valid([]byte(order)))
		require.NotContains(t, order, password)
		w.admin("alldown_todo", "DELETE FROM knex_migrations WHERE batch = 2")
		ends(job, batchv1.JobComplete)
	})
	done, err := d.Run(t.Context(), web, down)
	require.NoError(t, err)
	require.Equal(t, down, done.Out)
	require.Empty(t, done.Left)
	now, note := replicas(t, d)
	require.Equal(t, []any{int32(0), "3"}, []any{now, note}, "the rollback starts them")
	jobs, err := d.Client.BatchV1().Jobs("prod").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, jobs.Items)
	require.NoError(t, Start(t.Context(), d.Options, web))
	now, note = replicas(t, d)
	require.Equal(t, []any{int32(3), ""}, []any{now, note})
}

func TestAJobThatFailsSaysWhatIsOutAndIn(t *testing.T) {
	d, down := taking(t, "halfdown_", func(job *batchv1.Job, w *world) {
		w.admin("halfdown_todo", "DELETE FROM knex_migrations WHERE name = '3_c.js'")
		ends(job, batchv1.JobFailed)
	})
	done, err := d.Run(t.Context(), web, down)
	require.Equal(t, "database/down-failed", record.CodeOf(err))
	require.ErrorContains(t, err, "out are 3_c.js, in are 2_b.js; its pods are stopped")
	require.Equal(t, []int{1, 1}, []int{len(done.Out), len(done.Left)})
	now, note := replicas(t, d)
	require.Equal(t, []any{int32(0), "3"}, []any{now, note})
}

func TestWhereNothingWasTakenBackPodsStartAgain(t *testing.T) {
	d, down := taking(t, "nodown_", func(job *batchv1.Job, _ *world) { ends(job, batchv1.JobFailed) })
	done, err := d.Run(t.Context(), web, down)
	require.Equal(t, "database/down-failed", record.CodeOf(err))
	require.Equal(t, down, done.Left)
	now, note := replicas(t, d)
	require.Equal(t, []any{int32(3), ""}, []any{now, note})
}

// A sidecar keeps a Job from its end: what counts is the container.
func TestAJobBesideASidecarIsOverWithItsContainer(t *testing.T) {
	d, down := taking(t, "meshdown_", func(_ *batchv1.Job, w *world) {
		w.admin("meshdown_todo", "DELETE FROM knex_migrations WHERE batch = 2")
	})
	client := d.Client.(*fake.Clientset)
	client.PrependReactor("list", "pods", func(action k8stesting.Action) (bool, runtime.Object, error) {
		if !strings.Contains(action.(k8stesting.ListAction).GetListRestrictions().Labels.String(), "job-name") {
			return false, nil, nil
		}
		s := corev1.ContainerStatus{Name: "backstage", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}
		return true, &corev1.PodList{Items: []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: "prod", Labels: map[string]string{"job-name": "portal-undo-x"}}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{s}}}}}, nil
	})
	done, err := d.Run(t.Context(), web, down)
	require.NoError(t, err)
	require.Equal(t, down, done.Out)
}

func TestPodsThatCannotBeStoppedAreKnownBefore(t *testing.T) {
	w := newWorld(t, "daemon_")
	d := running(1)
	w.pods = []runtime.Object{&appsv1.DaemonSet{ObjectMeta: d.ObjectMeta, Spec: appsv1.DaemonSetSpec{Template: d.Spec.Template}}}
	err := Down{Options: w.database().Options, Release: "portal"}.Check(t.Context(), []record.Workload{{Kind: "DaemonSet", Namespace: "prod", Name: "web"}})
	require.Equal(t, "database/not-stoppable", record.CodeOf(err))
}

// As backends of 1.43 and 1.54 wrote them on the databases of a 1.55.
func TestWordsOfAnotherSchema(t *testing.T) {
	for _, line := range []string{
		`Failed to load stitchable entities select "entity_ref", "next_stitch_at", … - column "next_stitch_at" does not exist`,
		`{"level":"warn","code":"42703","message":"Processing of component:default/demo failed"}`,
		`{"message":"insert into \"locations\" … violates not-null constraint","code":"23502"}`,
		`error: relation "refresh_state" does not exist`,
	} {
		require.Regexp(t, broken, line)
	}
	for _, line := range []string{`entity component:default/x does not exist`, `the file catalog-info.yaml does not exist`, `{"status":"42703"}`} {
		require.NotRegexp(t, broken, line)
	}
}

func TestACatalogThatDoesNotWorkOnWhatIsDueIsFrozen(t *testing.T) {
	w := newWorld(t, "ice_")
	w.admin("postgres", "CREATE DATABASE ice_catalog")
	w.admin("ice_catalog", "CREATE TABLE refresh_state (entity_id varchar PRIMARY KEY, next_update_at timestamptz, result_hash text)", "INSERT INTO refresh_state VALUES ('e', now() + interval '1 hour', 'h')")
	o := w.database().Options
	f := &frozen{Options: o, database: w.database()}
	require.NoError(t, f.probe(t.Context()))
	done, err := f.isDone(t.Context())
	require.NoError(t, err)
	require.False(t, done)
	w.admin("ice_catalog", "UPDATE refresh_state SET result_hash = 'i'")
	done, err = f.isDone(t.Context())
	require.NoError(t, err)
	require.True(t, done)
}

func TestWhatComparesItsFilesIsNotProbed(t *testing.T) {
	w := newWorld(t, "free_")
	w.pods = []runtime.Object{running(1)}
	cause, err := Frozen(t.Context(), w.database().Options, web)
	require.NoError(t, err)
	require.Nil(t, cause)
	require.Contains(t, backstage.SkipValidation, "disableMigrationsListValidation")
}

func TestALineOfAFrozenApplicationCanBeLeftOut(t *testing.T) {
	muted := &redact.Redactor{}
	muted.Mute(record.Saying...)
	require.Equal(t, "it is up, but does not work with what the databases hold; it said: (left out)", muted.Text(complaint("web-1", "web", "unknown-to-us").Message))
}
