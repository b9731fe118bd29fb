package jobs

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"
)

func TestAJobIsFollowedToItsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		cluster []runtime.Object
		end     End
	}{
		"its container is through": {
			objects(pod(exited(0))),
			End{Pod: "dump-web-x", Succeeded: true, Why: "ended with exit code 0"},
		},
		"its container failed": {
			objects(pod(exited(137))),
			End{Pod: "dump-web-x", Why: "ended with exit code 137"},
		},
		// apache/superset#41396, authzed/spicedb-operator#146: the Job itself never ends.
		"a mesh's sidecar runs on": {
			objects(pod(running("istio-proxy"), exited(0))),
			End{Pod: "dump-web-x", Succeeded: true, Why: "ended with exit code 0"},
		},
		"its pod is gone, and it is complete": {
			[]runtime.Object{job(batchv1.JobComplete, "")},
			End{Succeeded: true, Why: "is complete"},
		},
		// argoproj/argo-workflows#7081: what runs past activeDeadlineSeconds loses its pod, and the log.
		"it was ended from outside": {
			[]runtime.Object{job(batchv1.JobFailed, "DeadlineExceeded")},
			End{Why: "failed: DeadlineExceeded"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			end, err := of(fake.NewClientset(c.cluster...)).Await(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.end, end)
		})
	}
}

func TestAPodThatCannotStartIsNotWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		cluster func() []runtime.Object // in its own time
		says    string
	}{
		"no image": {
			func() []runtime.Object { return objects(pod(pulling("ImagePullBackOff", "not found"))) },
			"dumping the databases: Pod/dump-web-x does not start: ImagePullBackOff: not found",
		},
		"no Secret": {
			func() []runtime.Object {
				return objects(pod(pulling("CreateContainerConfigError", `secret "database" not found`)))
			},
			`dumping the databases: Pod/dump-web-x does not start: CreateContainerConfigError: secret "database" not found`,
		},
		"no node": {
			func() []runtime.Object { return objects(unscheduledPod()) },
			"dumping the databases: Pod/dump-web-x does not start: Unschedulable: 0/1 nodes are available",
		},
		// apecloud/kubeblocks#5531, rook/rook#4699: it waits for ever, and only events say for what.
		"a volume that another node has": {
			func() []runtime.Object {
				return append(objects(creating(2*time.Second)), trouble("FailedMount", "timed out", time.Now()), trouble("FailedAttachVolume", "Multi-Attach error for volume", time.Now().Add(time.Second)))
			},
			"dumping the databases: Pod/dump-web-x does not start: FailedAttachVolume: Multi-Attach error for volume",
		},
		// timescale/helm-charts#259, haproxytech/helm-charts#236: under a quota there are events, and no pod.
		"no pod": {
			func() []runtime.Object {
				return []runtime.Object{job("", ""), rejection(`pods "dump-web-" is forbidden: exceeded quota`)}
			},
			`dumping the databases: the cluster takes no pod of Job/dump-web: pods "dump-web-" is forbidden: exceeded quota`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				_, err := of(fake.NewClientset(c.cluster()...)).Await(ctx)
				require.EqualError(t, err, c.says+" [database/no-pod]")
			})
		})
	}
}

func TestAnOldRejectionDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := rejection("exceeded quota")
		old.LastTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := of(fake.NewClientset(job("", ""), old)).Await(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "dumping the databases: Job/dump-web did not come to its end in time: no pod was made")
	})
}

// An API server that starts anew, as those of managed clusters do in an upgrade, is asked again.
func TestAnAPIServerThatIsAwayIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, tries := fake.NewClientset(objects(pod(exited(0)))...), 0
		client.PrependReactor("get", "jobs", func(kubetesting.Action) (bool, runtime.Object, error) {
			tries++
			return tries < 20, nil, apierrors.NewServiceUnavailable("the server is starting")
		})
		end, err := of(client).Await(t.Context())
		require.NoError(t, err)
		require.True(t, end.Succeeded)
		require.Equal(t, 20, tries)
	})
}

func TestWhatMayNotBeLookedAtEndsTheWait(t *testing.T) {
	client := fake.NewClientset(objects(pod(running("postgresql")))...)
	client.PrependReactor("list", "pods", func(kubetesting.Action) (bool, runtime.Object, error) {
		return true, nil, &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "pods is forbidden"}}
	})
	_, err := of(client).Await(t.Context())
	require.ErrorContains(t, err, "pods is forbidden")
}

func TestWhoWaitsTooLongHearsWhatFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := of(fake.NewClientset(objects(pod(running("postgresql")))...)).Await(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "it runs since 2026-11-26T08:00:00Z")
	})
}

func TestAJobIsTakenAwayAlsoAfterTheEndOfARun(t *testing.T) {
	client := fake.NewClientset(job("", ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, of(client).Remove(ctx))
	_, err := client.BatchV1().Jobs("prod").Get(t.Context(), "dump-web", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err))
	require.NoError(t, of(client).Remove(ctx), "what is gone is no error")
}

func TestTheLogIsThatOfItsContainer(t *testing.T) {
	client := fake.NewClientset(objects(pod(exited(0)))...)
	log, err := of(client).Log(t.Context(), End{Pod: "dump-web-x"})
	require.NoError(t, err)
	require.Equal(t, "fake logs", log, "of the fake's pods each says this")
	log, err = of(client).Log(t.Context(), End{})
	require.NoError(t, err)
	require.Empty(t, log)
}

func of(client *fake.Clientset) Job {
	return Job{Client: client, Namespace: "prod", Name: "dump-web", Container: "postgresql", Doing: "dumping the databases"}
}

func objects(p *corev1.Pod) []runtime.Object { return []runtime.Object{job("", ""), p} }

// job has one condition, none for "".
func job(condition batchv1.JobConditionType, reason string) *batchv1.Job {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "dump-web"}}
	if condition != "" {
		j.Status.Conditions = []batchv1.JobCondition{{Type: condition, Status: corev1.ConditionTrue, Reason: reason}}
	}
	return j
}

func pod(containers ...corev1.ContainerStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "dump-web-x", Labels: map[string]string{"job-name": "dump-web"}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: containers},
	}
}

func unscheduledPod() *corev1.Pod {
	p := pod()
	p.Status.Phase = corev1.PodPending
	p.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available",
		LastTransitionTime: metav1.Now(),
	}}
	return p
}

// creating is a pod that came to its node a while ago.
func creating(ago time.Duration) *corev1.Pod {
	p := pod(pulling("ContainerCreating", ""))
	p.Status.Phase = corev1.PodPending
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Now().Add(-ago))}}
	return p
}

// trouble is an event about that pod.
func trouble(reason, message string, at time.Time) *corev1.Event {
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "dump-web-x." + reason}, Reason: reason, Message: message,
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "dump-web-x"}, LastTimestamp: metav1.NewTime(at),
	}
}

func TestAVolumeThatIsLetGoIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(append(objects(creating(0)), trouble("FailedAttachVolume", "Multi-Attach error for volume", time.Now()))...)
		time.AfterFunc(2*time.Minute, func() {
			_, _ = client.CoreV1().Pods("prod").Update(context.Background(), pod(exited(0)), metav1.UpdateOptions{})
		})
		end, err := of(client).Await(t.Context())
		require.NoError(t, err)
		require.True(t, end.Succeeded)
	})
}

func exited(code int32) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "postgresql", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}}
}

func running(container string) corev1.ContainerStatus {
	since := metav1.NewTime(time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC))
	return corev1.ContainerStatus{Name: container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: since}}}
}

func pulling(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "postgresql", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
}

// rejection is the event of a Job whose pod the cluster does not take.
func rejection(message string) *corev1.Event {
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "dump-web.1"}, Reason: "FailedCreate", Message: message,
		InvolvedObject: corev1.ObjectReference{Kind: "Job", Name: "dump-web"}, LastTimestamp: metav1.Now(),
	}
}
