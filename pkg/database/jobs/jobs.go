// Package jobs follows a Job that this program has made in the cluster to its end.
package jobs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

const (
	// every lies between two looks at a Job.
	every = 500 * time.Millisecond
	// unscheduled is how long no node may take its pod.
	unscheduled = 90 * time.Second
	// unmounted is how long a pod on a node may wait for its volumes, and patience how long
	// it is not asked what it waits for. A volume that another node lets go is there within two.
	unmounted = 3 * time.Minute
	patience  = 10 * time.Second
	// fresh is how old an event may be that tells of a pod which was not made.
	fresh = time.Minute
	// removeTime bounds the removal of a Job.
	removeTime = 5 * time.Second
	// MaxLog bounds what is read of a log, in bytes.
	MaxLog = 1 << 20
)

// Job is one of the cluster.
type Job struct {
	Client    kubernetes.Interface
	Namespace string
	Name      string
	// Container is the one that counts: beside one that a mesh has put into the pod, a Job
	// never ends (apache/superset#41396, authzed/spicedb-operator#146).
	Container string
	// Doing says for people what it does.
	Doing string
}

// String names the Job as people do.
func (j Job) String() string { return "Job/" + j.Name }

// End is how a Job ended.
type End struct {
	// Pod is that of the Job, "" where it is gone.
	Pod       string
	Succeeded bool
	// Why says how it ended, for people.
	Why string
}

// Await waits for the end. A pod that cannot come, or does not start, is refused with
// database/no-pod; an API server that does not answer is asked again. When ctx ends, so
// does the wait, and its error says what was waited for.
func (j Job) Await(ctx context.Context) (End, error) {
	why := "no pod was made"
	for {
		end, now, err := j.look(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil && !apierror.IsUnreachable(err):
			return End{}, err
		case end != nil:
			return *end, nil
		}
		why = cmp.Or(now, why)
		if err := retry.Sleep(ctx, every); err != nil {
			return End{}, fmt.Errorf("%s: %s did not come to its end in time: %s: %w", j.Doing, j, why, context.Cause(ctx))
		}
	}
}

// look is one look at the Job: its end, nil before that, and what it waits for.
func (j Job) look(ctx context.Context) (end *End, why string, err error) {
	job, err := j.Client.BatchV1().Jobs(j.Namespace).Get(ctx, j.Name, metav1.GetOptions{})
	if err != nil {
		return nil, "", apierror.Classify("looking at "+j.String(), err)
	}
	pods, err := j.Client.CoreV1().Pods(j.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "job-name=" + j.Name})
	if err != nil {
		return nil, "", apierror.Classify("looking for the pod of "+j.String(), err)
	}
	for _, pod := range pods.Items {
		if end := j.exited(pod); end != nil {
			return end, "", nil
		}
	}
	if end := ended(job); end != nil {
		for _, pod := range pods.Items {
			end.Pod = pod.Name
		}
		return end, "", nil
	}
	for _, pod := range pods.Items {
		why = waiting(pod)
		held, since := j.held(ctx, pod)
		why = cmp.Or(held, why)
		if hopeless(pod) || held != "" && since > unmounted {
			return nil, why, record.Refused("database/no-pod", "%s: Pod/%s does not start: %s", j.Doing, pod.Name, why)
		}
	}
	if len(pods.Items) == 0 {
		return nil, "", j.rejected(ctx)
	}
	return nil, why, nil
}

// exited is how the container ended, nil where it has not.
func (j Job) exited(pod corev1.Pod) *End {
	for _, s := range pod.Status.ContainerStatuses {
		if t := s.State.Terminated; s.Name == j.Container && t != nil {
			return &End{pod.Name, t.ExitCode == 0, fmt.Sprintf("ended with exit code %d", t.ExitCode)}
		}
	}
	return nil
}

// ended is what a Job says whose pod is gone, or was ended from outside.
func ended(job *batchv1.Job) *End {
	for _, c := range job.Status.Conditions {
		switch {
		case c.Status != corev1.ConditionTrue:
		case c.Type == batchv1.JobComplete:
			return &End{Succeeded: true, Why: "is complete"}
		case c.Type == batchv1.JobFailed:
			return &End{Why: "failed: " + c.Reason}
		}
	}
	return nil
}

// rejected is the error of a cluster that takes no pod of the Job, as the events say.
func (j Job) rejected(ctx context.Context) error {
	said, err := j.Client.CoreV1().Events(j.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Job,involvedObject.name=" + j.Name})
	if err != nil {
		return nil //nolint:nilerr // who may not read events waits for the end
	}
	for _, e := range said.Items {
		if e.Reason == "FailedCreate" && time.Since(events.SeenAt(&e)) < fresh {
			return record.Refused("database/no-pod", "%s: the cluster takes no pod of %s: %s", j.Doing, j, e.Message)
		}
	}
	return nil
}

// held is the last that events say of a pod which is on a node, and whose containers cannot
// be made there, with how long it is on it: as where its volume is attached to another node
// (apecloud/kubeblocks#5531, rook/rook#4699). "" for any other.
func (j Job) held(ctx context.Context, pod corev1.Pod) (why string, since time.Duration) {
	at := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionTrue
	})
	if at < 0 || !isBeingMade(pod) {
		return "", 0
	}
	if since = time.Since(pod.Status.Conditions[at].LastTransitionTime.Time); since < patience {
		return "", since
	}
	said, err := j.Client.CoreV1().Events(j.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Pod,involvedObject.name=" + pod.Name})
	if err != nil {
		return "", since // who may not read events waits for the end
	}
	var last time.Time
	for _, e := range said.Items {
		if at := events.SeenAt(&e); slices.Contains(unmade, e.Reason) && !at.Before(last) {
			why, last = e.Reason+": "+e.Message, at
		}
	}
	return why, since
}

// unmade are the reasons of events about pods whose containers cannot be made.
var unmade = []string{"FailedAttachVolume", "FailedMount", "FailedMapVolume", "FailedCreatePodSandBox"}

// isBeingMade reports whether no container of a pod has begun, nor has anything to say.
func isBeingMade(pod corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodPending && !slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.State.Waiting == nil || s.State.Waiting.Reason != "ContainerCreating"
	})
}

// waiting says what a pod waits for.
func waiting(pod corev1.Pod) string {
	for _, s := range pod.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil {
			return strings.TrimSuffix(w.Reason+": "+w.Message, ": ")
		}
		if s.State.Running != nil {
			return "it runs since " + s.State.Running.StartedAt.UTC().Format(time.RFC3339)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason + ": " + c.Message
		}
	}
	return "it is " + cmp.Or(string(pod.Status.Phase), "new")
}

// stuck are the reasons for which a container does not start by itself.
var stuck = []string{"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}

// hopeless reports whether waiting for a pod makes no sense.
func hopeless(pod corev1.Pod) bool {
	for _, s := range pod.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil {
			return slices.Contains(stuck, w.Reason)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return time.Since(c.LastTransitionTime.Time) > unscheduled
		}
	}
	return false
}

// Log is what the container wrote, its begin where that is more than [MaxLog]; "" where
// the pod is gone.
func (j Job) Log(ctx context.Context, end End) (string, error) {
	if end.Pod == "" {
		return "", nil
	}
	limit := int64(MaxLog)
	text, err := j.Client.CoreV1().Pods(j.Namespace).GetLogs(end.Pod, &corev1.PodLogOptions{Container: j.Container, LimitBytes: &limit}).DoRaw(ctx)
	return string(text), apierror.Classify("reading the log of Pod/"+end.Pod, err)
}

// Remove takes the Job and its pod away, also when ctx is over.
func (j Job) Remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTime)
	defer cancel()
	now, background := int64(1), metav1.DeletePropagationBackground
	err := j.Client.BatchV1().Jobs(j.Namespace).Delete(ctx, j.Name, metav1.DeleteOptions{PropagationPolicy: &background, GracePeriodSeconds: &now})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return apierror.Classify("removing "+j.String(), err)
}
