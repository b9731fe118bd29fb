package rollout

import (
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// services gives the Services that do not yet lead to exactly the pods they
// should. Endpoints of pods that never were the workloads' own are somebody
// else's and count neither way.
func (j *judge) services(s snapshot, statuses []status) []trouble {
	var all []trouble
	for _, service := range s.services {
		if service.loose || service.gone {
			continue
		}
		wanted := map[types.UID]bool{}
		for _, status := range statuses {
			for _, p := range status.serving {
				if p.Namespace == service.namespace && service.selector.Matches(labels.Set(p.Labels)) {
					wanted[p.UID] = true
				}
			}
		}
		if len(wanted) == 0 {
			continue
		}
		found, old := 0, 0
		for uid := range endpoints(s.slices, service) {
			switch {
			case wanted[uid]:
				found++
			case j.ours[uid]:
				old++
			}
		}
		if found == len(wanted) && old == 0 {
			continue
		}
		message := fmt.Sprintf("%d of %d new pods in its EndpointSlices", found, len(wanted))
		if old > 0 {
			message += fmt.Sprintf(", %d old", old)
		}
		all = append(all, trouble{specific: true, cause: pipeline.Cause{
			Code: codeEndpoints, Object: "Service/" + service.name, Reason: "EndpointsNotReady", Message: message}})
	}
	return all
}

// endpoints are the pods that a Service sends requests to.
func endpoints(slices []*discoveryv1.EndpointSlice, s service) map[types.UID]bool {
	pods := map[types.UID]bool{}
	for _, slice := range slices {
		if slice.Namespace != s.namespace || slice.Labels[discoveryv1.LabelServiceName] != s.name {
			continue
		}
		for _, e := range slice.Endpoints {
			isPod := e.TargetRef != nil && e.TargetRef.Kind == "Pod"
			if isPod && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				pods[e.TargetRef.UID] = true
			}
		}
	}
	return pods
}
