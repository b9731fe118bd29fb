package routes

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
)

// Mark notes in the Services what was chosen, and one that seems to be meant for
// what runs the image where none leads there.
func (a Choice) Mark(services []cluster.Service, targets []cluster.Watched) {
	var running []cluster.Watched
	for _, t := range targets {
		if a.Runs[t.Workload] {
			running = append(running, t)
		}
	}
	led := slices.ContainsFunc(services, func(s cluster.Service) bool { return len(leadsTo(s, running)) > 0 })
	for i := range services {
		s := &services[i]
		for _, asked := range a.Services {
			if asked.Name == s.Name && asked.Namespace == s.Namespace {
				s.Asked = asked.Port
			}
		}
		s.OnlyNear = !led && slices.ContainsFunc(running, func(t cluster.Watched) bool { return nearly(*s, t) })
	}
}

// nearly reports whether all labels but one of its selector are those of the pods.
func nearly(s cluster.Service, t cluster.Watched) bool {
	requirements, _ := s.Selector.Requirements()
	same := 0
	for _, r := range requirements {
		if r.Matches(labels.Set(t.Labels)) {
			same++
		}
	}
	return t.Namespace == s.Namespace && len(requirements) > 1 && same == len(requirements)-1
}
