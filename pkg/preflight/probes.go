package preflight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// asker is what a kubelet does with a container by asking a port of it.
type asker struct {
	name    string // "readiness probe"
	port    *intstr.IntOrString
	because string // what comes of it that it cannot ask
	lost    bool   // no pod gets as far as it must
}

// askers are the probes and hooks of a container that have a port. Where the container lacks it
// the kubelet cannot ask, which it tells by events only (kubernetes pkg/probe/util.go, ResolveContainerPort).
func askers(c corev1.Container) []asker {
	all := []asker{
		{"startup probe", probePort(c.StartupProbe), "it never counts as started", true},
		{"readiness probe", probePort(c.ReadinessProbe), "no pod is ever ready", true},
		{"liveness probe", probePort(c.LivenessProbe), "nobody notices when it hangs", false},
	}
	if hooks := c.Lifecycle; hooks != nil {
		all = append(all,
			asker{"postStart hook", hookPort(hooks.PostStart), "it is killed after each start", true},
			asker{"preStop hook", hookPort(hooks.PreStop), "it is ended without it", false})
	}
	return slices.DeleteFunc(all, func(a asker) bool { return a.port == nil })
}

func probePort(p *corev1.Probe) *intstr.IntOrString {
	switch {
	case p == nil:
	case p.HTTPGet != nil:
		return &p.HTTPGet.Port
	case p.TCPSocket != nil:
		return &p.TCPSocket.Port
	}
	return nil
}

func hookPort(h *corev1.LifecycleHandler) *intstr.IntOrString {
	if h == nil || h.HTTPGet == nil {
		return nil
	}
	return &h.HTTPGet.Port
}

// probes looks for ports that a container does not have by that name, as where a chart
// renames one (https://github.com/jacksontj/promxy/issues/372,
// https://github.com/fortify/helm3-charts/issues/35).
func (c *check) probes(t template) {
	for _, container := range slices.Concat(t.pod.Spec.InitContainers, t.pod.Spec.Containers) {
		for _, a := range askers(container) {
			if portOf(container, a.port) {
				continue
			}
			c.add(record.Concern{Code: "preflight/probe-port", Object: t.object.name(), Blocks: a.lost && t.lasts(),
				Message: fmt.Sprintf("container %s: its %s asks port %q, and it has no port of that name%s; the kubelet cannot ask, and %s", container.Name, a.name, a.port.StrVal, itsPorts(container), a.because),
				Advice:  "name the port as in the container's ports, or give its number"})
		}
	}
}

// portOf reports whether a kubelet finds the port: by the name that the container has for
// it, or as a number.
func portOf(c corev1.Container, port *intstr.IntOrString) bool {
	if port.Type == intstr.Int || slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port.StrVal }) {
		return true
	}
	_, err := strconv.Atoi(port.StrVal)
	return err == nil
}

// itsPorts are those that a container has, ", only http, metrics"; "" for none with a name.
func itsPorts(c corev1.Container) string {
	var names []string
	for _, p := range c.Ports {
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", only " + strings.Join(names, ", ")
}
