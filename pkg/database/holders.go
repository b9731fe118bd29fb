package database

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/database/jobs"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// findHolders says of each lock that is held who may be migrating.
func (d *Database) findHolders(ctx context.Context, all record.AppliedMigrations) error {
	if len(all.Locked()) == 0 {
		return nil
	}
	pods, err := d.Client.CoreV1().Pods(d.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return apierror.Classify("looking which pods may be migrating", err)
	}
	living, idle, err := d.living(ctx, pods.Items)
	for _, t := range all.Locked() {
		t.Lock.Holders = append(slices.Clone(living), strangers(t.Lock.Sessions, idle)...)
	}
	return err
}

// living are the pods that use this database and may be migrating now, in a line each,
// and the addresses of those that do not.
func (d *Database) living(ctx context.Context, pods []corev1.Pod) (lines []string, idle []string, err error) {
	err = d.users(ctx, pods, func(pod corev1.Pod, container string) {
		if s, found := status(pod, container); !found || s.State.Running == nil {
			return
		}
		if why := d.mayMigrate(ctx, pod, container); why != "" {
			lines = append(lines, fmt.Sprintf("Pod/%s container %s, %s", pod.Name, container, why))
			return
		}
		idle = append(idle, pod.Status.PodIP)
	})
	return lines, idle, err
}

// users goes through the containers that use this database.
func (d *Database) users(ctx context.Context, pods []corev1.Pod, do func(pod corev1.Pod, container string)) error {
	names, err := readVariables(d.Variables)
	e := &environment{o: d.Options}
	for _, pod := range pods {
		for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
			found, _, placeErr := e.place(ctx, pod.Namespace, corev1.PodSpec{Containers: []corev1.Container{c}}, names)
			if err == nil && placeErr == nil && found.host == d.place.host {
				do(pod, c.Name)
			}
		}
	}
	return err
}

func status(pod corev1.Pod, container string) (corev1.ContainerStatus, bool) {
	all := slices.Concat(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses)
	at := slices.IndexFunc(all, func(s corev1.ContainerStatus) bool { return s.Name == container })
	if at < 0 {
		return corev1.ContainerStatus{}, false
	}
	return all[at], true
}

// mayMigrate says why a running container may be migrating, "" for one that does not: a
// backend migrates before it is ready, and one whose start has failed does not try again.
func (d *Database) mayMigrate(ctx context.Context, pod corev1.Pod, container string) string {
	s, _ := status(pod, container)
	since := s.State.Running.StartedAt.UTC().Format(time.RFC3339)
	spec := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == container })
	switch {
	case spec < 0 || pod.Spec.Containers[spec].ReadinessProbe == nil:
		return "which runs since " + since + " and has no readiness probe that would tell that it has started"
	case s.Ready || d.says(ctx, pod, container, false, backstage.MigrationLocked, backstage.StartFailed):
		return ""
	}
	return "which runs since " + since + " and is not ready"
}

// says reports whether a container, or the one that ran before it, has any of these words
// in its log.
func (o Options) says(ctx context.Context, pod corev1.Pod, container string, previous bool, words ...string) bool {
	return o.line(ctx, pod, corev1.PodLogOptions{Container: container, Previous: previous}, func(line string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) })
	}) != ""
}

// line is the first of a log for which is holds, "" for none and where it cannot be read.
func (o Options) line(ctx context.Context, pod corev1.Pod, log corev1.PodLogOptions, is func(string) bool) string {
	limit := int64(jobs.MaxLog)
	log.LimitBytes = &limit
	stream, err := o.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &log).Stream(ctx)
	if err != nil {
		return ""
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, jobs.MaxLog)
	for lines.Scan() {
		if is(lines.Text()) {
			return strings.TrimSpace(lines.Text())
		}
	}
	return ""
}

// strangers are the sessions that are at work and of none of the pods that have started.
func strangers(sessions []record.DatabaseSession, idle []string) (lines []string) {
	for _, s := range sessions {
		if s.Busy() && !slices.Contains(idle, s.Client) {
			lines = append(lines, fmt.Sprintf("a connection from %s of %q (process %d) that is %s since %s", s.Client, s.Application, s.Process, s.State, s.Since.UTC().Format(time.RFC3339)))
		}
	}
	return lines
}
