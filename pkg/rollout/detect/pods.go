package detect

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// Pod are what is wrong with one pod: what its containers show, then
// where it is stuck before them, then what is merely waited for. failures counts the
// exits of a container, losses is how often the pod has lost its readiness.
func Pod(s *cluster.Snapshot, p *corev1.Pod, failures func(corev1.ContainerStatus) int, losses int) []Trouble {
	var all []Trouble
	for _, c := range podstate.Statuses(p) {
		if t, found := waitingTrouble(s, p, c); found {
			all = append(all, t)
			continue
		}
		if t, found := lineTrouble(s, p, c); found {
			all = append(all, t)
		}
		if t, found := probeTrouble(s, p, c); found {
			all = append(all, t)
		}
		if t, found := exitTrouble(s, p, c, failures(c)); found {
			all = append(all, t)
		}
	}
	if len(all) == 0 {
		claims := claimTroubles(s, p)
		all = slices.Concat(claims, schedulingTroubles(s, p, len(claims) > 0), volumeTroubles(s, p))
	}
	if losses >= 2 {
		t := OfPod(p, causes.ReadinessFlapping, "NotReady", fmt.Sprintf("it was ready and lost its readiness %d times", losses))
		if e := s.Latest(p, "", "Unhealthy"); e != nil {
			t.Cause.Container, t.Cause.Message = podstate.ContainerOf(e), wording.Shorten(t.Cause.Message+": "+e.Message)
		}
		all = append([]Trouble{t}, all...)
	}
	all = append(all, waitTroubles(s, p)...)
	if len(all) == 0 && !podstate.Ready(p) {
		all = warned(s, p)
	}
	if len(all) == 0 {
		all = unseen(s, p)
	}
	return all
}

// warned is what Kubernetes last warned of about a pod as a whole that nothing else explains.
func warned(s *cluster.Snapshot, p *corev1.Pod) []Trouble {
	var last *corev1.Event
	for _, e := range s.ByUID[p.UID] {
		if e.Type == corev1.EventTypeWarning && podstate.ContainerOf(e) == "" && (last == nil || events.SeenAt(e).After(events.SeenAt(last))) {
			last = e
		}
	}
	if last == nil {
		return nil
	}
	code := causes.Warned
	if last.Reason == "FailedResourceClaimCreation" {
		code = causes.ResourceClaimFailed
	}
	return []Trouble{OfPod(p, code, last.Reason, last.Message)}
}

// OtherImages are containers of a pod that the pod itself gives another image than its
// workload says: a webhook has written it when the pod was made, or a client into the
// pod (`kubectl set image pod/…`).
func OtherImages(s cluster.Snapshot, w record.Workload, p *corev1.Pod, digest string) []Trouble {
	var all []Trouble
	spec := s.Templates[w].Spec
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, own := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			if own.Name != c.Name || own.Image == c.Image || own.Image == "" {
				continue
			}
			if why := differs(p, c, own, digest); why != "" {
				t := OfPod(p, causes.ImageDiffers, record.ReasonImageDiffers, fmt.Sprintf("it runs %s instead of %s, %s", own.Image, c.Image, why))
				t.Cause.Container = c.Name
				all = append(all, t)
			}
		}
	}
	return all
}

// differs says what is wrong with another image of a container, "" for nothing. A node
// that pulls the verified image by digest can run nothing else, so the pod's own words
// decide; what the kubelet reports as imageID may be another name of the same image, as
// that of an index for its manifest. Other images a cluster's webhook may have taken
// from a mirror when the pod was made
// (https://github.com/aerospike/aerospike-kubernetes-operator/pull/403); what was changed in a pod
// afterwards, no controller has changed. Kubernetes counts that since 1.33.
func differs(p *corev1.Pod, c, own corev1.Container, digest string) string {
	switch {
	case digest != "" && podstate.HasDigest(c, digest):
		if podstate.HasDigest(own, digest) || podstate.ImageDigest(p, c.Name) == digest {
			return ""
		}
		return "which was verified: a webhook or somebody has changed the pod"
	case p.Generation > 1, p.Generation == 0 && lastPart(own.Image) != lastPart(c.Image):
		return "which its workload says: somebody has changed the pod"
	}
	return ""
}

// lastPart is what mirrors keep of a reference: "web:1.2" of "registry.test/team/web:1.2".
func lastPart(image string) string { return image[strings.LastIndex(image, "/")+1:] }
