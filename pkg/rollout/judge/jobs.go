package judge

import (
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

func (j *Judge) job(s cluster.Snapshot, w record.Workload, job *batchv1.Job) Status {
	pods := owned(s, job)
	result := j.pods(s, w, pods, string(job.UID), func(*corev1.Pod) bool { return true })
	j.rememberFailures(&s, w, pods)
	result.Proven, result.serving, result.ready, result.Batch = nil, nil, false, true
	result.progress = fmt.Sprintf("%d active, %d failed", job.Status.Active, job.Status.Failed)
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete, batchv1.JobSuccessCriteriaMet:
			j.finished[w] = true
			return Status{ready: true, progress: "complete", Batch: true, Members: result.Members}
		case batchv1.JobFailed, batchv1.JobFailureTarget:
			return Status{progress: "failed", Batch: true, Members: result.Members, troubles: []detect.Trouble{j.jobFailed(w, c)}}
		case batchv1.JobSuspended: // as its spec says
		}
	}
	if held(job) && job.Status.Active == 0 {
		return Status{ready: true, Batch: true, Members: result.Members, unproven: w.String() + " is suspended: its end was not waited for"}
	}
	// A Job's pods end by design, and its own limit counts their failures; what
	// keeps them from running at all it does not count.
	var kept []detect.Trouble
	for _, t := range result.troubles {
		if t.Failures == 0 && t.Cause.Code != causes.PodReplaced {
			kept = append(kept, t)
		}
	}
	result.troubles = kept
	result.addCreation(detect.CreationEvents(&s, "Job", job, len(pods) > 0))
	result.working = job.Status.Failed == 0 && job.Status.Active > 0 && atWork(pods) == int(job.Status.Active) && runsWell(result.troubles)
	return result
}

// runsWell reports whether nothing is wrong with pods that are at work.
func runsWell(troubles []detect.Trouble) bool {
	return !slices.ContainsFunc(troubles, func(t detect.Trouble) bool { return t.Cause.Code != causes.InitRunning })
}

// held reports whether a Job is started later, by hand or by a queue
// (https://github.com/argoproj/argo-cd/issues/19126); no parallelism is the older way to say so.
func held(job *batchv1.Job) bool {
	suspend, parallelism := job.Spec.Suspend, job.Spec.Parallelism
	return suspend != nil && *suspend || parallelism != nil && *parallelism == 0
}

// atWork counts the pods whose containers run. The number of ready pods in a Job's status leaves out
// those that still initialize, and those of which one container has done its work and another
// never ends (https://github.com/istio/istio/issues/6324).
func atWork(pods []*corev1.Pod) int {
	n := 0
	for _, p := range pods {
		if p.DeletionTimestamp == nil && podstate.AtWork(p) {
			n++
		}
	}
	return n
}

// onlyJobsAtWork reports whether it is time to go on without the Jobs, and the pods that end
// like those of one, that run well,
// because all else is ready. A release of nothing but Jobs is proven by their end.
func (j *Judge) onlyJobsAtWork(statuses []Status) bool {
	if j.JobsUntil.IsZero() || j.Now.Before(j.JobsUntil) {
		return false
	}
	serving := false
	for _, s := range statuses {
		if !s.ready && !s.working {
			return false
		}
		serving = serving || s.ready && !s.Batch
	}
	return serving
}

// jobFailures are the events of a Job that has failed.
var jobFailures = []string{"BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", "FailedIndexes", "MaxFailedIndexesExceeded"}

// expired is a Job whose time to live after its end is over. That it failed only its
// event tells.
func (j *Judge) expired(s cluster.Snapshot, w record.Workload) Status {
	e := s.About(w.Kind, w.Namespace, w.Name, jobFailures...)
	if e != nil && !j.finished[w] && !s.Since.IsZero() && !events.SeenAt(e).Before(s.Since.Truncate(time.Second)) {
		return Status{progress: "failed", Batch: true, troubles: []detect.Trouble{j.jobFailed(w, batchv1.JobCondition{Reason: e.Reason, Message: e.Message})}}
	}
	return Status{ready: true, progress: "complete, and removed since", Batch: true}
}

// podFailure is how one run of a Job's container ended.
type podFailure struct {
	at   time.Time
	run  podstate.Run
	text string
	lock bool // it met the lock of the migrations
}

// rememberFailures remembers how a pod of the Job failed last: the controller deletes some
// of them when it gives up.
func (j *Judge) rememberFailures(s *cluster.Snapshot, w record.Workload, pods []*corev1.Pod) {
	for _, p := range pods {
		for _, c := range podstate.Statuses(p) {
			end := podstate.LastExit(c)
			if end == nil || end.ExitCode == 0 {
				continue
			}
			known := j.podFailures[w]
			if known != nil && !end.FinishedAt.After(known.at) {
				continue
			}
			_, _, more := detect.ExitCause(s, p, c, *end)
			j.podFailures[w] = &podFailure{at: end.FinishedAt.Time, run: podstate.ExitedRun(p, c), text: fmt.Sprintf("pod %s container %s exited with %s%s", p.Name, c.Name, podstate.DescribeExit(*end), more), lock: backstage.MetLock(end.Message)}
		}
	}
}

func (j *Judge) jobFailed(w record.Workload, c batchv1.JobCondition) detect.Trouble {
	t := detect.Trouble{Specific: true, Cause: record.Cause{Code: causes.JobFailed, Object: w.String(), Reason: c.Reason, Message: wording.Shorten(c.Message)}}
	if end := j.podFailures[w]; end != nil {
		t.Run, t.Cause.MetLock = end.run, end.lock
		t.Cause.Message += "; " + end.text
	}
	return t
}
