package preflight

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// workloads looks for contradictions that need no question to the cluster.
func (c *check) workloads() {
	all := c.templates()
	if !slices.ContainsFunc(all, func(t template) bool { return !t.later }) {
		c.add(record.Concern{Code: "preflight/no-workload", Message: "the chart holds nothing that makes pods now, no Deployment, StatefulSet, DaemonSet, Job, ReplicaSet, ReplicationController or Pod: there is nothing to watch"})
	}
	for _, t := range all {
		c.probes(t)
		c.tooLong(t)
		if t.later {
			continue
		}
		c.budgets(t)
		if t.deploy != nil {
			c.deployment(t)
		}
	}
}

// longestSet is the longest name of a StatefulSet whose pods can be made: each has the
// label controller-revision-hash, the name with a hyphen and up to ten digits, of at most 63
// characters (https://github.com/kubernetes/kubernetes/issues/64023, https://github.com/helm/helm/issues/3752).
const longestSet = 52

// tooLong looks for names that the API server takes, and whose pods it does not.
func (c *check) tooLong(t template) {
	if name := t.object.GetName(); t.object.GetKind() == "StatefulSet" && len(name) > longestSet {
		c.add(record.Concern{Code: "preflight/name-too-long", Object: t.object.name(), Blocks: t.replicas > 0,
			Message: fmt.Sprintf("its name has %d characters, and pods of a StatefulSet cannot be made from %d on: a label of theirs, the name with a hash behind it, would be longer than 63", len(name), longestSet+1),
			Advice:  "give the release a shorter name, or the chart a fullnameOverride"})
	}
}

// defaultProgressDeadline is the API server's, in seconds.
const defaultProgressDeadline = 600

// lateLiveness is from when on the first answer of a liveness probe is not waited for, in
// seconds; see --soak auto.
const lateLiveness = 120

// asksAlike reports whether readiness or startup asks what the liveness probe will.
func asksAlike(c corev1.Container) bool {
	return slices.ContainsFunc([]*corev1.Probe{c.ReadinessProbe, c.StartupProbe}, func(p *corev1.Probe) bool {
		return p != nil && apiequality.Semantic.DeepEqual(p.ProbeHandler, c.LivenessProbe.ProbeHandler)
	})
}

// budgets compares the times that a workload may need with those that it has.
func (c *check) budgets(t template) {
	warn := func(format string, args ...any) {
		c.add(record.Concern{Code: "preflight/budget", Object: t.object.name(), Message: fmt.Sprintf(format, args...)})
	}
	for _, container := range t.pod.Spec.Containers {
		start := startBudget(container)
		if c.Timeout > 0 && start > c.Timeout {
			warn("container %s may take %s to start by its startup probe, the deploy ends after %s; raise --timeout or lower the probe's failureThreshold", container.Name, text.Duration(start), text.Duration(c.Timeout))
		}
		if c.RollbackTimeout > 0 && start > c.RollbackTimeout {
			warn("container %s may take %s to start by its startup probe, a rollback ends after %s; raise --rollback-timeout", container.Name, text.Duration(start), text.Duration(c.RollbackTimeout))
		}
		if p := container.ReadinessProbe; p != nil && c.Timeout > 0 && time.Duration(p.InitialDelaySeconds)*time.Second >= c.Timeout {
			warn("container %s: its readiness probe asks for the first time %s after the start, the deploy ends after %s; lower initialDelaySeconds, or raise --timeout", container.Name, text.Duration(time.Duration(p.InitialDelaySeconds)*time.Second), text.Duration(c.Timeout))
		}
		if p := container.LivenessProbe; p != nil && p.InitialDelaySeconds >= lateLiveness && !asksAlike(container) {
			warn("container %s: its liveness probe asks for the first time %s after the start, when the new pods have long been called good, and asks what no other probe asks; use a startup probe in the place of initialDelaySeconds, or --soak %[2]s", container.Name, text.Duration(time.Duration(p.InitialDelaySeconds)*time.Second))
		}
		if d := t.deploy; d != nil {
			if deadline := progressDeadline(d); start > deadline {
				warn("container %s may take %s to start by its startup probe, progressDeadlineSeconds gives it %s", container.Name, text.Duration(start), text.Duration(deadline))
			}
		}
	}
	if d := t.deploy; d != nil {
		ready := time.Duration(d.Spec.MinReadySeconds) * time.Second
		if deadline := progressDeadline(d); ready >= deadline {
			warn("minReadySeconds is %s, not below progressDeadlineSeconds %s: it can never complete", text.Duration(ready), text.Duration(deadline))
		}
		if c.Timeout > 0 && ready >= c.Timeout {
			warn("minReadySeconds is %s, the deploy ends after %s", text.Duration(ready), text.Duration(c.Timeout))
		}
	}
}

// startBudget is how long a container may take until the kubelet restarts it.
func startBudget(c corev1.Container) time.Duration {
	p := c.StartupProbe
	if p == nil {
		return 0
	}
	or := func(n, value int32) int32 {
		if n == 0 {
			return value
		}
		return n
	}
	seconds := p.InitialDelaySeconds + or(p.PeriodSeconds, 10)*or(p.FailureThreshold, 3) + or(p.TimeoutSeconds, 1)
	return time.Duration(seconds) * time.Second
}

func progressDeadline(d *appsv1.Deployment) time.Duration {
	if d.Spec.ProgressDeadlineSeconds == nil {
		return defaultProgressDeadline * time.Second
	}
	return time.Duration(*d.Spec.ProgressDeadlineSeconds) * time.Second
}

// rolling gives how many pods a Deployment may have on top of, and below, its
// number while it rolls out.
func rolling(d *appsv1.Deployment) (surge, unavailable int64) {
	replicas := int(count(d.Spec.Replicas))
	quarter := intstr.FromString("25%")
	maxSurge, maxUnavailable := &quarter, &quarter
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		if r.MaxSurge != nil {
			maxSurge = r.MaxSurge
		}
		if r.MaxUnavailable != nil {
			maxUnavailable = r.MaxUnavailable
		}
	}
	up, errUp := intstr.GetScaledValueFromIntOrPercent(maxSurge, replicas, true)
	down, errDown := intstr.GetScaledValueFromIntOrPercent(maxUnavailable, replicas, false)
	if errUp != nil || errDown != nil || d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return 0, int64(replicas)
	}
	if up == 0 && down == 0 {
		down = 1 // as the controller does: it could not roll otherwise
	}
	return int64(up), int64(down)
}

func (c *check) deployment(t template) {
	d, name := t.deploy, t.object.name()
	if d.Spec.Paused {
		c.add(record.Concern{Code: "preflight/paused", Object: name, Message: "spec.paused is true: Kubernetes will not roll it out", Advice: "take it out of the chart", Blocks: true})
	}
	if t.replicas == 0 {
		c.add(record.Concern{Code: "preflight/no-pods", Object: name, Message: "spec.replicas is 0: nothing will run, so nothing can be proven"})
		return
	}
	_, unavailable := rolling(d)
	switch {
	case d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		c.add(record.Concern{Code: "preflight/downtime", Object: name, Message: "strategy Recreate ends all old pods before a new one starts: nobody is served meanwhile"})
	case unavailable >= t.replicas:
		c.add(record.Concern{Code: "preflight/downtime", Object: name,
			Message: fmt.Sprintf("with %d replicas and maxUnavailable %d no pod needs to be ready during a rollout: nobody may be served meanwhile", t.replicas, unavailable),
			Advice:  "set maxUnavailable: 0 and maxSurge: 1"})
	}
}
