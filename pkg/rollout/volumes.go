package rollout

import (
	"regexp"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// noSource are the kubelet's words for a Secret, ConfigMap or key that is not there.
var noSource = regexp.MustCompile(`(?i)(secret|configmap) "[^"]*" not found|references non-existent (secret|config) key`)

// volumeTroubles are why the containers of a pod with a node are not made yet:
// events, because the status says nothing but ContainerCreating.
func volumeTroubles(s *snapshot, p *corev1.Pod) []trouble {
	// With a sandbox the volumes are mounted: an event is from before.
	if c := condition(p, corev1.PodReadyToStartContainers); c != nil && c.Status == corev1.ConditionTrue || !anyCreating(p) {
		return nil
	}
	e := s.latest(p, "", "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
	if e == nil || lagging(e.Message) {
		return nil
	}
	code := codeMount
	switch {
	case e.Reason == "FailedCreatePodSandBox":
		code = codeSandbox
	case noSource.MatchString(e.Message):
		code = codeVolumeSource
	}
	return []trouble{podTrouble(p, code, e.Reason, e.Message)}
}

// anyCreating: an old event explains nothing once the containers run.
func anyCreating(p *corev1.Pod) bool {
	for _, c := range statuses(p) {
		if creating(c) {
			return true
		}
	}
	return false
}

// claimTroubles are why a claim that a pod mounts has no volume yet.
func claimTroubles(s *snapshot, p *corev1.Pod) []trouble {
	var all []trouble
	for _, v := range p.Spec.Volumes {
		name := claimOf(p, v)
		claim := s.claim(p.Namespace, name)
		if claim == nil || claim.Status.Phase != corev1.ClaimPending {
			continue
		}
		e := s.about("PersistentVolumeClaim", p.Namespace, name, "ProvisioningFailed", "FailedBinding", "WaitForFirstConsumer", "ExternalProvisioning")
		if e == nil {
			continue
		}
		code := codeClaimWait
		if e.Reason == "ProvisioningFailed" || e.Reason == "FailedBinding" {
			code = codeClaim
		}
		all = append(all, trouble{specific: true, cause: record.Cause{
			Code: code, Object: "PersistentVolumeClaim/" + name, Reason: e.Reason, Message: shorten(e.Message)}})
	}
	return all
}

// claimOf is the name of the claim behind a volume, "" for other volumes.
func claimOf(p *corev1.Pod, v corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return p.Name + "-" + v.Name
	}
	return ""
}

func (s *snapshot) claim(namespace, name string) *corev1.PersistentVolumeClaim {
	for _, c := range s.claims {
		if c.Name == name && c.Namespace == namespace {
			return c
		}
	}
	return nil
}
