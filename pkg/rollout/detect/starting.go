package detect

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// Starting is what a pod that nothing is wrong with is about to do: what is told of it when
// the budget has run out and no trouble was seen.
func Starting(s *cluster.Snapshot, p *corev1.Pod) (Trouble, bool) {
	for _, status := range podstate.Statuses(p) {
		i := slices.IndexFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == status.Name })
		if i < 0 || status.Ready {
			continue
		}
		if reason, words := starting(s, p, p.Spec.Containers[i], status); words != "" {
			return Trouble{Specific: true, Run: podstate.RunOf(p, status), Cause: record.Cause{
				Code: causes.Timeout, Object: "Pod/" + p.Name, Container: status.Name, Reason: reason, Message: words}}, true
		}
	}
	return Trouble{}, false
}

// starting says what one container waits for. A postStart hook keeps all of the pod's
// containers from being shown as running, without an event, for as long as it runs
// (https://github.com/kubernetes/kubernetes/issues/30042, https://github.com/bitnami/charts/issues/6523).
func starting(s *cluster.Snapshot, p *corev1.Pod, c corev1.Container, status corev1.ContainerStatus) (reason, words string) {
	if podstate.Creating(status) {
		hooked := c.Lifecycle != nil && c.Lifecycle.PostStart != nil
		if began := s.Latest(p, c.Name, "Started"); hooked && began != nil {
			return "PostStart", fmt.Sprintf("it was started %.0fs ago, and its postStart hook has not ended", s.Now.Sub(events.SeenAt(began)).Seconds())
		}
		return "", ""
	}
	if status.State.Running == nil {
		return "", ""
	}
	kind, probe := "startup", c.StartupProbe
	if probe == nil || status.Started != nil && *status.Started {
		kind, probe = "readiness", c.ReadinessProbe
	}
	if probe == nil {
		return "", ""
	}
	ran := s.Now.Sub(status.State.Running.StartedAt.Time)
	if delay := time.Duration(probe.InitialDelaySeconds) * time.Second; ran < delay {
		return "NotReady", fmt.Sprintf("it runs since %.0fs, and its %s probe asks for the first time %.0fs after the start (initialDelaySeconds)", ran.Seconds(), kind, delay.Seconds())
	}
	return "NotReady", fmt.Sprintf("it runs since %.0fs, and its %s probe has neither passed nor failed", ran.Seconds(), kind)
}
