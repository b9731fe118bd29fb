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
	"github.com/stagecrew/stagecrew/pkg/database/jobs"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

const (
	// labelJob is on the Job and its pod, with the name of the release.
	labelJob = "stagecrew.dev/undoes"
	// keepJob is how long Kubernetes keeps one that was not removed.
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

// create makes the Job.
func (d Down) create(ctx context.Context, job *batchv1.Job) error {
	made, err := d.Client.BatchV1().Jobs(job.Namespace).Create(ctx, job, metav1.CreateOptions{FieldManager: "stagecrew"})
	if apierrors.IsForbidden(err) {
		return record.Refused("database/no-job", "a Job that takes migrations back may not be made: %s", apierror.Message(err))
	}
	if err == nil {
		*job = *made
	}
	return apierror.Classify("making a Job that takes migrations back", err)
}

// run runs the Job to its end and takes it away. What its container said last is for
// people; an error says that it did not end well.
func (d Down) run(ctx context.Context, job *batchv1.Job) (said string, err error) {
	if err := d.create(ctx, job); err != nil {
		return "", err
	}
	d.Log.Info("migrations are taken back", "job", job.Name)
	running := jobs.Job{Client: d.Client, Namespace: job.Namespace, Name: job.Name, Container: job.Spec.Template.Spec.Containers[0].Name, Doing: "taking migrations back"}
	end, err := running.Await(ctx)
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s was left to its own end: %w", running, ctx.Err())
	}
	if log, err := running.Log(ctx, end); err == nil {
		said = text.Cut(lastLine(log), maxLine)
	}
	if err == nil && !end.Succeeded {
		err = record.Refused("database/down-failed", "%s %s", running, end.Why)
	}
	if err := running.Remove(ctx); err != nil {
		d.Log.Warn("taking a Job away that has ended", "job", job.Name, "error", err)
	}
	return said, err
}

func lastLine(all string) string {
	all = strings.TrimSpace(all)
	return all[strings.LastIndexByte(all, '\n')+1:]
}
