package rollout

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
)

// services gives the Services that do not, or not yet, lead to exactly the pods they
// should, and notes those that lead nowhere and need not. Endpoints of pods that
// never were the workloads' own are somebody else's and count neither way.
func (j *judge) services(s snapshot, statuses []status) (all []trouble, notes []string) {
	for _, service := range s.services {
		if service.gone {
			all = append(all, trouble{specific: true, cause: record.Cause{
				Code: codeDeleted, Object: "Service/" + service.name, Reason: "NotFound", Message: "somebody has deleted it"}})
		}
		if service.gone || service.publishesUnready {
			continue
		}
		pods := service.selected(statuses)
		if len(pods) == 0 {
			t, note := service.selectsNone(&s, statuses)
			all, notes = append(all, t...), append(notes, note...)
			continue
		}
		for _, p := range service.watched() {
			t, note := j.port(&s, service, p, pods)
			notes = append(notes, note...)
			notes = append(notes, service.foreignAddresses(s.slices, p)...)
			if t != nil {
				all = append(all, *t)
				break
			}
		}
	}
	return all, notes
}

// selected are the pods that it should lead to.
func (s service) selected(statuses []status) []*corev1.Pod {
	var all []*corev1.Pod
	for _, status := range statuses {
		for _, p := range status.serving {
			if p.Namespace == s.namespace && s.selector.Matches(labels.Set(p.Labels)) {
				all = append(all, p)
			}
		}
	}
	return all
}

// watched are its ports. Those of a headless Service mean little; nil stands for
// whatever its slices have.
func (s service) watched() []*corev1.ServicePort {
	if s.headless || len(s.ports) == 0 {
		return []*corev1.ServicePort{nil}
	}
	all := make([]*corev1.ServicePort, len(s.ports))
	for i := range s.ports {
		all[i] = &s.ports[i]
	}
	return all
}

// port compares the endpoints of one port with the pods that should serve it.
func (j *judge) port(s *snapshot, service service, p *corev1.ServicePort, pods []*corev1.Pod) (*trouble, []string) {
	wanted := map[types.UID]bool{}
	for _, pod := range pods {
		if p == nil || offersPort(pod.Spec, *p) {
			wanted[pod.UID] = true
		}
	}
	object := "Service/" + service.name
	if len(wanted) == 0 {
		words := fmt.Sprintf("port %s leads nowhere: no container of its pods has a port named %q", portName(*p), p.TargetPort.StrVal)
		if !service.mustLead(*p, pods) {
			return nil, []string{object + ": " + words}
		}
		return &trouble{specific: true, cause: record.Cause{Code: codeNowhere, Object: object, Reason: "NoSuchPort", Message: words}}, nil
	}
	found, old := 0, 0
	for uid := range endpoints(s.slices, service, p) {
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
	if len(service.ports) > 1 {
		message = "port " + portName(*p) + ": " + message
	}
	if old > 0 {
		message += fmt.Sprintf(", %d old", old)
	}
	return &trouble{specific: true, cause: record.Cause{Code: codeEndpoints, Object: object, Reason: "EndpointsNotReady", Message: message}}, nil
}

// mustLead reports whether a port without a pod behind it is a failure: it led to pods
// before, it is the one that is asked, or no other of the Service leads anywhere.
// Charts often name a port that only an option adds to the pods, such as that of the
// metrics (https://github.com/pomerium/pomerium-helm/issues/322).
func (s service) mustLead(p corev1.ServicePort, pods []*corev1.Pod) bool {
	if s.smoke == "false" {
		return false
	}
	leads := func(other corev1.ServicePort) bool {
		return slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return offersPort(pod.Spec, other) })
	}
	return slices.Contains(s.led, portKey(p)) || int(p.Port) == s.asked || !slices.ContainsFunc(s.ports, leads)
}

// selectsNone is a Service that selects no pod that is ready. That is fine while its
// workload wants none, and where others make the pods that it selects.
func (s service) selectsNone(look *snapshot, statuses []status) (all []trouble, notes []string) {
	for _, w := range look.workloads {
		if w.Namespace == s.namespace && s.selector.Matches(labels.Set(look.templates[w].labels)) {
			return nil, nil
		}
	}
	for _, status := range statuses {
		for _, m := range status.members {
			if m.pod.Namespace == s.namespace && s.selector.Matches(labels.Set(m.pod.Labels)) {
				return nil, nil
			}
		}
	}
	if len(endpoints(look.slices, s, nil)) > 0 {
		return nil, nil
	}
	object, words := "Service/"+s.name, fmt.Sprintf("its selector %s matches no pod of the release, and no other pod is behind it", s.selector)
	if len(s.led) == 0 && !s.onlyNear || s.smoke == "false" {
		return nil, []string{object + " leads to no pod: " + words}
	}
	if len(s.led) > 0 {
		words += "; that of the revision before did"
	}
	return []trouble{{specific: true, cause: record.Cause{Code: codeNowhere, Object: object, Reason: "NoEndpoints", Message: words}}}, nil
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
	return fmt.Sprintf("%d/%s", p.Port, firstOf(string(p.Protocol), string(corev1.ProtocolTCP)))
}

func portName(p corev1.ServicePort) string {
	if p.Name == "" {
		return fmt.Sprint(p.Port)
	}
	return fmt.Sprintf("%s (%d)", p.Name, p.Port)
}

// endpoints are the pods that a Service sends requests of one port to; nil is any port.
func endpoints(slices []*discoveryv1.EndpointSlice, s service, p *corev1.ServicePort) map[types.UID]bool {
	pods := map[types.UID]bool{}
	for _, slice := range slices {
		if slice.Namespace != s.namespace || slice.Labels[discoveryv1.LabelServiceName] != s.name || p != nil && !carries(slice, *p) {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			switch {
			case e.TargetRef != nil && e.TargetRef.Kind == "Pod":
				pods[e.TargetRef.UID] = true
			case p == nil: // somebody else has written it
				pods[types.UID(fmt.Sprint(e.Addresses))] = true
			}
		}
	}
	return pods
}

// foreignAddresses notes addresses that get requests of one port and are no pods: slices that
// somebody else has written beside those of the selector.
func (s service) foreignAddresses(slices []*discoveryv1.EndpointSlice, p *corev1.ServicePort) (notes []string) {
	for _, slice := range slices {
		if p == nil || slice.Namespace != s.namespace || slice.Labels[discoveryv1.LabelServiceName] != s.name || !carries(slice, *p) {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.TargetRef == nil && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				notes = append(notes, fmt.Sprintf("Service/%s: port %s also leads to %s, which is no pod: EndpointSlice/%s, which somebody else has written",
					s.name, portName(*p), strings.Join(e.Addresses, ", "), slice.Name))
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
		if name == p.Name && string(protocol) == firstOf(string(p.Protocol), string(corev1.ProtocolTCP)) {
			return true
		}
	}
	return false
}
