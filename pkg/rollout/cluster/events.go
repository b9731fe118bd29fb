package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// Index sorts the events by what they are about, and finds the nodes that are lost.
func (s *Snapshot) Index() {
	s.lost = map[string]bool{}
	for _, p := range s.Pods {
		if p.Spec.NodeName != "" && podstate.CutOff(p) {
			s.lost[p.Spec.NodeName] = true
		}
	}
	s.ByUID, s.byName = map[types.UID][]*corev1.Event{}, map[string][]*corev1.Event{}
	for _, e := range s.Events {
		about := e.InvolvedObject
		if about.UID != "" {
			s.ByUID[about.UID] = append(s.ByUID[about.UID], e)
		}
		name := about.Kind + "/" + about.Namespace + "/" + about.Name
		s.byName[name] = append(s.byName[name], e)
	}
}

// Lost reports whether a node is not ready or does not report, by what its pods say.
func (s *Snapshot) Lost(node string) bool { return s.lost[node] }

// Latest is the newest event about a pod with one of the reasons, nil without one.
// A container's name limits it to that container's events.
func (s *Snapshot) Latest(p *corev1.Pod, name string, reasons ...string) *corev1.Event {
	if p.UID == "" {
		return nil
	}
	return newest(s.ByUID[p.UID], name, reasons)
}

// About is the newest event, with one of the reasons where some are given, about an object
// that is no pod.
func (s *Snapshot) About(kind, namespace, name string, reasons ...string) *corev1.Event {
	return newest(s.byName[kind+"/"+namespace+"/"+name], "", reasons)
}

// AboutSiblings is the newest event, with one of the reasons, about another pod that the
// owner of a pod has made; it may be gone.
func (s *Snapshot) AboutSiblings(p *corev1.Pod, reasons ...string) *corev1.Event {
	var all []*corev1.Event
	for _, e := range s.Events {
		about := e.InvolvedObject
		sibling := about.Name == p.Name || p.GenerateName != "" && strings.HasPrefix(about.Name, p.GenerateName)
		if about.Kind == "Pod" && about.Namespace == p.Namespace && about.UID != p.UID && sibling {
			all = append(all, e)
		}
	}
	return newest(all, "", reasons)
}

func newest(all []*corev1.Event, name string, reasons []string) *corev1.Event {
	var found *corev1.Event
	for _, e := range all {
		if name != "" && podstate.ContainerOf(e) != name {
			continue
		}
		asked := len(reasons) == 0 || slices.Contains(reasons, e.Reason)
		if asked && (found == nil || events.SeenAt(e).After(events.SeenAt(found))) {
			found = e
		}
	}
	return found
}
