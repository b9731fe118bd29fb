package judge

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// services gives the Services that do not, or not yet, lead to exactly the pods they
// should, and notes those that lead nowhere and need not. Endpoints of pods that
// never were the workloads' own are foreign and count neither way.
func (j *Judge) services(s cluster.Snapshot, statuses []Status) (all []detect.Trouble, notes []string) {
	for _, service := range s.Services {
		if service.Gone {
			all = append(all, detect.Trouble{Specific: true, Cause: record.Cause{
				Code: causes.WorkloadDeleted, Object: "Service/" + service.Name, Reason: record.ReasonDeleted, Message: "somebody has deleted it"}})
		}
		if service.Gone || service.PublishesUnready {
			continue
		}
		pods := selected(service, statuses)
		if len(pods) == 0 {
			t, note := selectsNone(service, &s, statuses)
			all, notes = append(all, t...), append(notes, note...)
			continue
		}
		for _, p := range watchedPorts(service) {
			t, note := j.port(&s, service, p, pods)
			notes = append(notes, note...)
			notes = append(notes, foreignAddresses(service, s.Slices, p)...)
			notes = append(notes, j.foreignPods(service, s.Slices, p)...)
			if t != nil {
				all = append(all, *t)
				break
			}
		}
	}
	return all, notes
}

// selected are the pods that a Service should lead to.
func selected(s cluster.Service, statuses []Status) []*corev1.Pod {
	var all []*corev1.Pod
	for _, status := range statuses {
		for _, p := range status.serving {
			if p.Namespace == s.Namespace && s.Selector.Matches(labels.Set(p.Labels)) {
				all = append(all, p)
			}
		}
	}
	return all
}

// watchedPorts are the ports of a Service. Those of a headless Service mean little; nil stands for
// whatever its slices have.
func watchedPorts(s cluster.Service) []*corev1.ServicePort {
	if s.Headless || len(s.Ports) == 0 {
		return []*corev1.ServicePort{nil}
	}
	all := make([]*corev1.ServicePort, len(s.Ports))
	for i := range s.Ports {
		all[i] = &s.Ports[i]
	}
	return all
}

// port compares the endpoints of one port with the pods that should serve it.
func (j *Judge) port(s *cluster.Snapshot, service cluster.Service, p *corev1.ServicePort, pods []*corev1.Pod) (*detect.Trouble, []string) {
	wanted := map[types.UID]bool{}
	for _, pod := range pods {
		if p == nil || offersPort(pod.Spec, *p) {
			wanted[pod.UID] = true
		}
	}
	object := "Service/" + service.Name
	if len(wanted) == 0 {
		words := fmt.Sprintf("port %s leads nowhere: no container of its pods has a port named %q", portName(*p), p.TargetPort.StrVal)
		if !mustLead(service, *p, pods) {
			return nil, []string{object + ": " + words}
		}
		return &detect.Trouble{Specific: true, Cause: record.Cause{Code: causes.ServiceWithoutPods, Object: object, Reason: "NoSuchPort", Message: words}}, nil
	}
	found, old := 0, 0
	for uid := range endpoints(s.Slices, service, p) {
		switch {
		case wanted[uid]:
			found++
		case j.ours[uid]:
			old++
		}
	}
	if found == len(wanted) && old == 0 {
		return nil, nil
	}
	message := fmt.Sprintf("%d of %d new pods in its EndpointSlices", found, len(wanted))
	if len(service.Ports) > 1 {
		message = "port " + portName(*p) + ": " + message
	}
	if old > 0 {
		message += fmt.Sprintf(", %d old", old)
	}
	return &detect.Trouble{Specific: true, Cause: record.Cause{Code: causes.EndpointsOutdated, Object: object, Reason: "EndpointsNotReady", Message: message}}, nil
}

// mustLead reports whether a port without a pod behind it is a failure: it led to pods
// before, it is the one that is asked, or no other of the Service leads anywhere.
// Charts often name a port that only an option adds to the pods, such as that of the
// metrics (https://github.com/pomerium/pomerium-helm/issues/322).
func mustLead(s cluster.Service, p corev1.ServicePort, pods []*corev1.Pod) bool {
	if s.Smoke == "false" {
		return false
	}
	leads := func(other corev1.ServicePort) bool {
		return slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return offersPort(pod.Spec, other) })
	}
	return slices.Contains(s.Led, portKey(p)) || int(p.Port) == s.Asked || !slices.ContainsFunc(s.Ports, leads)
}

// selectsNone is a Service that selects no pod that is ready. That is fine while its
// workload wants none, and where others make the pods that it selects.
func selectsNone(s cluster.Service, look *cluster.Snapshot, statuses []Status) (all []detect.Trouble, notes []string) {
	for _, w := range look.Workloads {
		if w.Namespace == s.Namespace && s.Selector.Matches(labels.Set(look.Templates[w].Labels)) {
			return nil, nil
		}
	}
	for _, status := range statuses {
		for _, m := range status.Members {
			if m.Pod.Namespace == s.Namespace && s.Selector.Matches(labels.Set(m.Pod.Labels)) {
				return nil, nil
			}
		}
	}
	if len(endpoints(look.Slices, s, nil)) > 0 {
		return nil, nil
	}
	object, words := "Service/"+s.Name, fmt.Sprintf("its selector %s matches no pod of the release, and no other pod is behind it", s.Selector)
	if len(s.Led) == 0 && !s.OnlyNear || s.Smoke == "false" {
		return nil, []string{object + " leads to no pod: " + words}
	}
	if len(s.Led) > 0 {
		words += "; that of the revision before did"
	}
	return []detect.Trouble{{Specific: true, Cause: record.Cause{Code: causes.ServiceWithoutPods, Object: object, Reason: "NoEndpoints", Message: words}}}, nil
}

// offersPort reports whether a pod has the port that the Service leads to: a number
// is there always.
func offersPort(spec corev1.PodSpec, p corev1.ServicePort) bool {
	if p.TargetPort.Type == intstr.Int {
		return true
	}
	protocol := func(p corev1.Protocol) corev1.Protocol {
		if p == "" {
			return corev1.ProtocolTCP
		}
		return p
	}
	return slices.ContainsFunc(slices.Concat(spec.Containers, spec.InitContainers), func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(port corev1.ContainerPort) bool {
			return port.Name == p.TargetPort.StrVal && protocol(port.Protocol) == protocol(p.Protocol)
		})
	})
}

// portKey names a port as [record.Service.Led] does.
func portKey(p corev1.ServicePort) string {
	return fmt.Sprintf("%d/%s", p.Port, wording.FirstOf(string(p.Protocol), string(corev1.ProtocolTCP)))
}

func portName(p corev1.ServicePort) string {
	if p.Name == "" {
		return fmt.Sprint(p.Port)
	}
	return fmt.Sprintf("%s (%d)", p.Name, p.Port)
}

// endpoints are the pods that a Service sends requests of one port to; nil is any port.
func endpoints(slices []*discoveryv1.EndpointSlice, s cluster.Service, p *corev1.ServicePort) map[types.UID]bool {
	pods := map[types.UID]bool{}
	for _, slice := range slices {
		if slice.Namespace != s.Namespace || slice.Labels[discoveryv1.LabelServiceName] != s.Name || p != nil && !carries(slice, *p) {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			switch {
			case e.TargetRef != nil && e.TargetRef.Kind == "Pod":
				pods[e.TargetRef.UID] = true
			case p == nil: // another client has written it
				pods[types.UID(fmt.Sprint(e.Addresses))] = true
			}
		}
	}
	return pods
}

// foreignAddresses notes addresses that get requests of one port and are no pods: slices that
// another client has written beside those of the selector.
func foreignAddresses(s cluster.Service, slices []*discoveryv1.EndpointSlice, p *corev1.ServicePort) (notes []string) {
	for _, slice := range slices {
		if p == nil || slice.Namespace != s.Namespace || slice.Labels[discoveryv1.LabelServiceName] != s.Name || !carries(slice, *p) {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.TargetRef == nil && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				notes = append(notes, fmt.Sprintf("Service/%s: port %s also leads to %s, which is no pod: EndpointSlice/%s, which somebody else has written",
					s.Name, portName(*p), strings.Join(e.Addresses, ", "), slice.Name))
			}
		}
	}
	return notes
}

// foreignPods notes pods that get requests of one port and that no workload of the release has
// made: those of another release whose labels are the same, or what a hook has left
// (https://github.com/nextcloud/helm/issues/144, https://github.com/helm/charts/issues/12884).
// Some are there on purpose, as beside a canary.
func (j *Judge) foreignPods(s cluster.Service, slices []*discoveryv1.EndpointSlice, p *corev1.ServicePort) (notes []string) {
	for _, slice := range slices {
		if p == nil || slice.Namespace != s.Namespace || slice.Labels[discoveryv1.LabelServiceName] != s.Name || !carries(slice, *p) {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.TargetRef != nil && e.TargetRef.Kind == "Pod" && !j.ours[e.TargetRef.UID] && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				notes = append(notes, fmt.Sprintf("Service/%s: port %s also leads to Pod/%s, which no workload of the release has made: its selector %s is that pod's, too", s.Name, portName(*p), e.TargetRef.Name, s.Selector))
			}
		}
	}
	return notes
}

// carries reports whether a slice has the port.
func carries(slice *discoveryv1.EndpointSlice, p corev1.ServicePort) bool {
	for _, port := range slice.Ports {
		name, protocol := "", corev1.ProtocolTCP
		if port.Name != nil {
			name = *port.Name
		}
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		if name == p.Name && string(protocol) == wording.FirstOf(string(p.Protocol), string(corev1.ProtocolTCP)) {
			return true
		}
	}
	return false
}
