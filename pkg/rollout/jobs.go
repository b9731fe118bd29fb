package rollout

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func (j *judge) job(s snapshot, w record.Workload, job *batchv1.Job) status {
	pods := owned(s, job)
	result := j.pods(s, w, pods, string(job.UID), func(*corev1.Pod) bool { return true })
	j.rememberFailures(&s, w, pods)
	result.proven, result.serving, result.ready, result.batch = nil, nil, false, true
	result.progress = fmt.Sprintf("%d active, %d failed", job.Status.Active, job.Status.Failed)
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete, batchv1.JobSuccessCriteriaMet:
			j.finished[w] = true
			return status{ready: true, progress: "complete", batch: true, members: result.members}
		case batchv1.JobFailed, batchv1.JobFailureTarget:
			return status{progress: "failed", batch: true, members: result.members, troubles: []trouble{j.jobFailed(w, c)}}
		case batchv1.JobSuspended: // as its spec says
		}
	}
	if job.Spec.Suspend != nil && *job.Spec.Suspend {
		result.progress = "suspended"
	}
	// A Job's pods end by design, and its own limit counts their failures; what
	// keeps them from running at all it does not count.
	var kept []trouble
	for _, t := range result.troubles {
		if t.failures == 0 && t.cause.Code != codeEvicted {
			kept = append(kept, t)
		}
	}
	result.troubles = kept
	result.addCreation(creationEvents(&s, "Job", job, len(pods) > 0))
	return result
}

// jobFailures are the events of a Job that has failed.
var jobFailures = []string{"BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", "FailedIndexes", "MaxFailedIndexesExceeded"}

// expired is a Job whose time to live after its end is over. That it failed only its
// event tells.
func (j *judge) expired(s snapshot, w record.Workload) status {
	e := s.about(w.Kind, w.Namespace, w.Name, jobFailures...)
	if e != nil && !j.finished[w] && !s.since.IsZero() && !seenAt(e).Before(s.since.Truncate(time.Second)) {
		return status{progress: "failed", batch: true, troubles: []trouble{j.jobFailed(w, batchv1.JobCondition{Reason: e.Reason, Message: e.Message})}}
	}
	return status{ready: true, progress: "complete, and removed since", batch: true}
}

// podFailure is how one run of a Job's container ended.
type podFailure struct {
	at   time.Time
	run  container
	text string
}

// rememberFailures remembers how a pod of the Job failed last: the controller deletes some
// of them when it gives up.
func (j *judge) rememberFailures(s *snapshot, w record.Workload, pods []*corev1.Pod) {
	for _, p := range pods {
		for _, c := range statuses(p) {
			end := lastExit(c)
			if end == nil || end.ExitCode == 0 {
				continue
			}
			known := j.podFailures[w]
			if known != nil && !end.FinishedAt.After(known.at) {
				continue
			}
			_, _, more := exitCause(s, p, c, *end)
			j.podFailures[w] = &podFailure{at: end.FinishedAt.Time, run: exitedRun(p, c), text: fmt.Sprintf("pod %s container %s exited with %s%s", p.Name, c.Name, describeExit(*end), more)}
		}
	}
}

func (j *judge) jobFailed(w record.Workload, c batchv1.JobCondition) trouble {
	t := trouble{specific: true, cause: record.Cause{Code: codeJob, Object: w.String(), Reason: c.Reason, Message: shorten(c.Message)}}
	if end := j.podFailures[w]; end != nil {
		t.run = end.run
		t.cause.Message += "; " + end.text
	}
	return t
}
