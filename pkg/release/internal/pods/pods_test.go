package pods

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/livetest"
)

func place(version, kind, name string) *resource.Info {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(version)
	object.SetKind(kind)
	object.SetNamespace("portal")
	object.SetName(name)
	return (&livetest.Server{}).Info(object)
}

// set is a StatefulSet on its way from revision old to new.
func set(change func(*appsv1.StatefulSet)) *appsv1.StatefulSet {
	s := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "portal", UID: "set", Generation: 2},
		Spec:       appsv1.StatefulSetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status:     appsv1.StatefulSetStatus{ObservedGeneration: 2, UpdateRevision: "web-new"},
	}
	if change != nil {
		change(s)
	}
	return s
}

// pod is one of it, of revision old, whose container waits for a reason.
func pod(name, waits string, change func(*corev1.Pod)) *corev1.Pod {
	controls := true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "portal", UID: "1", Labels: map[string]string{"app": "web", appsv1.StatefulSetRevisionLabel: "web-old"},
			OwnerReferences: []metav1.OwnerReference{{UID: "set", Controller: &controls}},
		},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: waits}}}}},
	}
	if change != nil {
		change(p)
	}
	return p
}

// kubernetes/kubernetes#67250, #60164 and #88896: nothing but the removal of such a pod
// lets the set go on.
func TestAPodThatHoldsUpItsStatefulSetIsDeleted(t *testing.T) {
	two := int32(2)
	for name, c := range map[string]struct {
		set     func(*appsv1.StatefulSet)
		pod     func(*corev1.Pod)
		waits   string
		all     bool
		deleted bool
	}{
		"an image that is not there":           {waits: "ImagePullBackOff", deleted: true},
		"a container that crashes":             {waits: "CrashLoopBackOff", deleted: true},
		"one that is only slow":                {waits: "ContainerCreating"},
		"one that is only slow, at a rollback": {waits: "ContainerCreating", all: true, deleted: true},
		"an init container that crashes": {pod: func(p *corev1.Pod) {
			p.Status.InitContainerStatuses, p.Status.ContainerStatuses = p.Status.ContainerStatuses, nil
		}, waits: "CrashLoopBackOff", deleted: true},
		"of the wanted revision already": {pod: func(p *corev1.Pod) { p.Labels[appsv1.StatefulSetRevisionLabel] = "web-new" }, waits: "CrashLoopBackOff", all: true},
		"ready": {pod: func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}, waits: "CrashLoopBackOff", all: true},
		"on its way out": {pod: func(p *corev1.Pod) {
			p.DeletionTimestamp, p.Finalizers = &metav1.Time{Time: time.Unix(1, 0)}, []string{"x"}
		}, waits: "CrashLoopBackOff", all: true},
		"of somebody else":                {pod: func(p *corev1.Pod) { p.OwnerReferences = nil }, waits: "CrashLoopBackOff", all: true},
		"pods that are made side by side": {set: func(s *appsv1.StatefulSet) { s.Spec.PodManagementPolicy = appsv1.ParallelPodManagement }, waits: "CrashLoopBackOff", all: true},
		"pods that a person deletes":      {set: func(s *appsv1.StatefulSet) { s.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType }, waits: "CrashLoopBackOff", all: true},
		"below the partition": {set: func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: &two}
		}, waits: "CrashLoopBackOff", all: true},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset(set(c.set), pod("web-1", c.waits, c.pod))
			lines, err := FreeStuck(t.Context(), client, []*resource.Info{place("apps/v1", "StatefulSet", "web"), place("apps/v1", "Deployment", "other")}, c.all)
			require.NoError(t, err)
			_, err = client.CoreV1().Pods("portal").Get(t.Context(), "web-1", metav1.GetOptions{})
			require.Equal(t, c.deleted, apierrors.IsNotFound(err))
			if !c.deleted {
				require.Empty(t, lines)
				return
			}
			require.Equal(t, []string{"deleted Pod/web-1 of StatefulSet/web: it was not ready and of another revision, and would have held up the rollout"}, lines)
		})
	}
}

func TestAHookIsOverWhenAllOfItIs(t *testing.T) {
	completed := batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}}
	failed := batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue}}}
	job := func(name string, status batchv1.JobStatus) *batchv1.Job {
		return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "portal"}, Status: status}
	}
	client := fake.NewClientset(job("done", completed), job("failed", failed), job("runs", batchv1.JobStatus{}),
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "done", Namespace: "portal"}, Status: corev1.PodStatus{Phase: corev1.PodSucceeded}},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "failed", Namespace: "portal"}, Status: corev1.PodStatus{Phase: corev1.PodFailed}})
	for name, c := range map[string]struct {
		hook []*resource.Info
		over bool
	}{
		"a Job that is done":                 {[]*resource.Info{place("batch/v1", "Job", "done")}, true},
		"a Job that failed":                  {[]*resource.Info{place("batch/v1", "Job", "failed")}, false},
		"a Job that runs":                    {[]*resource.Info{place("batch/v1", "Job", "runs")}, false},
		"a Job that Helm has deleted":        {[]*resource.Info{place("batch/v1", "Job", "gone")}, true},
		"a pod that is done":                 {[]*resource.Info{place("v1", "Pod", "done")}, true},
		"a pod that failed":                  {[]*resource.Info{place("v1", "Pod", "failed")}, false},
		"what makes no pods":                 {[]*resource.Info{place("v1", "ConfigMap", "x")}, true},
		"one of two":                         {[]*resource.Info{place("batch/v1", "Job", "done"), place("batch/v1", "Job", "runs")}, false},
		"a Job of a group that is no batch/": {[]*resource.Info{place("example.com/v1", "Job", "runs")}, true},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.over, AreOver(t.Context(), client, c.hook, time.Minute)) })
	}
	require.Equal(t, []record.Workload{{Kind: "Job", Namespace: "portal", Name: "a"}, {Kind: "Pod", Namespace: "portal", Name: "b"}},
		Workloads([]*resource.Info{place("batch/v1", "Job", "a"), place("v1", "ConfigMap", "c"), place("v1", "Pod", "b")}))
}

func TestTheLogOfAHookIsThatOfItsNewestPod(t *testing.T) {
	of := func(name string, age int64) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "portal", Labels: map[string]string{"job-name": "migrate"}, CreationTimestamp: metav1.Unix(age, 0)}}
	}
	client := fake.NewClientset(of("first", 10), of("last", 30), of("second", 20))
	newest := hookPod(t.Context(), client, place("batch/v1", "Job", "migrate"))
	require.Equal(t, "last", newest)
	require.Equal(t, "alone", hookPod(t.Context(), client, place("v1", "Pod", "alone")))
	log := slog.New(slog.DiscardHandler)
	require.Equal(t, "fake logs", HookLog(t.Context(), client, log, []*resource.Info{place("v1", "ConfigMap", "x"), place("batch/v1", "Job", "migrate")}), "client-go's fake says so")
	require.Empty(t, HookLog(t.Context(), client, log, []*resource.Info{place("batch/v1", "Job", "never-started")}))
}
