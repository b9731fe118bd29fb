package database

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

const (
	// labelJob is on the Job and its pod, with the name of the release.
	labelJob = "stagecrew.dev/undoes"
	// keepJob is how long Kubernetes keeps one that nobody takes away.
	keepJob = 10 * time.Minute
	// limitJob bounds one where nothing else does.
	limitJob = 5 * time.Minute
)

// job is the one that takes migrations back: the release's own container with another
// program, and no label by which a Service would send it anything.
func (d Down) job(ctx context.Context, workloads []record.Workload, down []record.AppliedMigration) (*batchv1.Job, error) {
	w, spec, c, err := d.container(ctx, workloads)
	if err != nil {
		return nil, err
	}
	order, err := d.order(down)
	if err != nil {
		return nil, err
	}
	c.Command, c.Args = []string{"node", "-e", downScript}, nil
	c.Env = append(append([]corev1.EnvVar{}, c.Env...), corev1.EnvVar{Name: "STAGECREW_DOWN", Value: strings.ReplaceAll(order, "$(", "$$(")})
	c.Ports, c.Lifecycle, c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = nil, nil, nil, nil, nil
	spec.Containers, spec.InitContainers, spec.RestartPolicy = []corev1.Container{c}, nil, corev1.RestartPolicyNever
	spec.NodeName, spec.Hostname, spec.AutomountServiceAccountToken = "", "", new(bool)
	spec.TerminationGracePeriodSeconds, spec.TopologySpreadConstraints = nil, nil
	labels := map[string]string{labelJob: label(d.Release), "app.kubernetes.io/managed-by": "stagecrew"}
	meta := metav1.ObjectMeta{GenerateName: label(d.Release) + "-undo-", Namespace: w.Namespace, Labels: labels, OwnerReferences: d.owner(ctx, w)}
	return &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{
		BackoffLimit: new(int32), ActiveDeadlineSeconds: seconds(limit(ctx)), TTLSecondsAfterFinished: new(int32(keepJob.Seconds())),
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
	}}, nil
}

// label is a name as a label and the begin of another name take it.
func label(name string) string { return strings.Trim(name[:min(len(name), 40)], "-.") }

func seconds(d time.Duration) *int64 { return new(max(int64(d.Seconds()), 1)) }

// limit is how long a Job may take.
func limit(ctx context.Context) time.Duration {
	if deadline, found := ctx.Deadline(); found {
		return time.Until(deadline)
	}
	return limitJob
}

// owner is the workload: with it the Job goes.
func (d Down) owner(ctx context.Context, w record.Workload) []metav1.OwnerReference {
	if w.Kind != "Deployment" {
		return nil
	}
	found, err := d.Client.AppsV1().Deployments(w.Namespace).Get(ctx, w.Name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: w.Kind, Name: w.Name, UID: found.UID}}
}

// create makes the Job, or asks only whether it could be.
func (d Down) create(ctx context.Context, job *batchv1.Job, dry bool) error {
	o := metav1.CreateOptions{FieldManager: "stagecrew"}
	if dry {
		o.DryRun = []string{metav1.DryRunAll}
	}
	made, err := d.Client.BatchV1().Jobs(job.Namespace).Create(ctx, job, o)
	if apierrors.IsForbidden(err) {
		return record.Refused("database/no-job", "a Job that takes migrations back may not be made: %s", apierror.Message(err))
	}
	if err == nil {
		*job = *made
	}
	return apierror.Classify("making a Job that takes migrations back", err)
}

// everyJob is how often a Job is looked at.
const everyJob = 500 * time.Millisecond

// run runs the Job to its end and takes it away. What its container said last is for
// people; an error says that it did not end well.
func (d Down) run(ctx context.Context, job *batchv1.Job) (said string, err error) {
	if err := d.create(ctx, job, false); err != nil {
		return "", err
	}
	d.Log.Info("migrations are taken back", "job", job.Name)
	ended, err := d.wait(ctx, job)
	if ctx.Err() != nil {
		return "", fmt.Errorf("Job/%s was left to its own end: %w", job.Name, ctx.Err()) //nolint:staticcheck // an object's name
	}
	said = d.said(ctx, job)
	if err == nil && !ended.succeeded {
		err = record.Refused("database/down-failed", "Job/%s %s", job.Name, ended.why)
	}
	background := metav1.DeletePropagationBackground
	if err := d.Client.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, metav1.DeleteOptions{PropagationPolicy: &background}); err != nil && !apierrors.IsNotFound(err) {
		d.Log.Warn("taking a Job away that has ended", "job", job.Name, "error", err)
	}
	return said, err
}

// ending is how a Job ended.
type ending struct {
	succeeded bool
	why       string
}

func (d Down) wait(ctx context.Context, job *batchv1.Job) (ending, error) {
	for ticker := time.NewTicker(everyJob); ; {
		now, err := d.Client.BatchV1().Jobs(job.Namespace).Get(ctx, job.Name, metav1.GetOptions{})
		if err != nil && (!apierror.IsUnreachable(err) || ctx.Err() != nil) {
			ticker.Stop()
			return ending{}, apierror.Classify("looking at Job/"+job.Name, err)
		}
		over, is := ending{}, false
		if err == nil {
			if over, is = end(now); !is {
				over, is = d.exited(ctx, job)
			}
		}
		if is {
			ticker.Stop()
			return over, nil
		}
		select {
		case <-ctx.Done():
			ticker.Stop()
			return ending{}, ctx.Err()
		case <-ticker.C:
		}
	}
}

func end(job *batchv1.Job) (ending, bool) {
	for _, c := range job.Status.Conditions {
		switch {
		case c.Status != corev1.ConditionTrue:
		case c.Type == batchv1.JobComplete:
			return ending{succeeded: true}, true
		case c.Type == batchv1.JobFailed:
			return ending{why: "failed: " + c.Reason}, true
		}
	}
	return ending{}, false
}

// exited looks at the container itself: beside one that a mesh has put into the pod, a Job
// never ends (apache/superset#41396, authzed/spicedb-operator#146).
func (d Down) exited(ctx context.Context, job *batchv1.Job) (ending, bool) {
	pod, found := d.pod(ctx, job)
	if !found {
		return ending{}, false
	}
	s, found := status(pod, job.Spec.Template.Spec.Containers[0].Name)
	if !found || s.State.Terminated == nil {
		return ending{}, false
	}
	return ending{s.State.Terminated.ExitCode == 0, fmt.Sprintf("ended with exit code %d", s.State.Terminated.ExitCode)}, true
}

// pod is the one of a Job.
func (d Down) pod(ctx context.Context, job *batchv1.Job) (corev1.Pod, bool) {
	pods, err := d.Client.CoreV1().Pods(job.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=" + job.Name})
	if err != nil || len(pods.Items) == 0 {
		return corev1.Pod{}, false
	}
	return pods.Items[0], true
}

// said is the last line of a Job's container, bounded.
func (d Down) said(ctx context.Context, job *batchv1.Job) string {
	pod, found := d.pod(ctx, job)
	if !found {
		return ""
	}
	lines, limit := int64(5), int64(maxLog)
	out, err := d.Client.CoreV1().Pods(job.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: job.Spec.Template.Spec.Containers[0].Name, TailLines: &lines, LimitBytes: &limit}).DoRaw(ctx)
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(out)), "\n")
	return text.Cut(all[len(all)-1], maxLine)
}
