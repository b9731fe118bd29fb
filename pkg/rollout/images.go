package rollout

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// differing are containers of a pod that are to run the deployed digest, by what their
// workload says, and that the pod itself gives another image: a webhook has written it
// when the pod was made, or somebody into the pod. A node that pulls by digest can run
// nothing else, so the pod's own words decide; what the kubelet reports as imageID may
// be another name of the same image, as that of an index for its manifest.
func (j *judge) differing(s snapshot, w record.Workload, p *corev1.Pod) []trouble {
	var all []trouble
	spec := s.templates[w].spec
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		if j.digest == "" || !claims(c, j.digest) {
			continue
		}
		for _, own := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			if own.Name != c.Name || claims(own, j.digest) || idOf(p, c.Name) == j.digest {
				continue
			}
			t := podTrouble(p, codeDiffers, "ImageDiffers", fmt.Sprintf("it runs %s instead of %s, which was verified: a webhook or somebody has changed the pod", own.Image, c.Image))
			t.cause.Container = c.Name
			all = append(all, t)
		}
	}
	return all
}

// idOf is the digest that the kubelet reports for a container, "" for none.
func idOf(p *corev1.Pod, name string) string {
	for _, c := range statuses(p) {
		if c.Name == name {
			_, digest, _ := strings.Cut(c.ImageID, "@")
			return digest
		}
	}
	return ""
}
