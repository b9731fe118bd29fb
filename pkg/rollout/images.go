package rollout

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// differing are containers of a pod that the pod itself gives another image than its
// workload says: a webhook has written it when the pod was made, or somebody into the
// pod (`kubectl set image pod/…`).
func (j *judge) differing(s snapshot, w record.Workload, p *corev1.Pod) []trouble {
	var all []trouble
	spec := s.templates[w].spec
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, own := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			if own.Name != c.Name || own.Image == c.Image || own.Image == "" {
				continue
			}
			if why := j.differs(p, c, own); why != "" {
				t := podTrouble(p, codeDiffers, "ImageDiffers", fmt.Sprintf("it runs %s instead of %s, %s", own.Image, c.Image, why))
				t.cause.Container = c.Name
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
func (j *judge) differs(p *corev1.Pod, c, own corev1.Container) string {
	switch {
	case j.digest != "" && claims(c, j.digest):
		if claims(own, j.digest) || idOf(p, c.Name) == j.digest {
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
