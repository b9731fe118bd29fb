package detect

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// noSource are the kubelet's words for a Secret, ConfigMap or key that is not there.
var noSource = regexp.MustCompile(`(?i)(secret|configmap) "[^"]*" not found|references non-existent (secret|config) key`)

// volumeTroubles are why the containers of a pod with a node are not made yet:
// events, because the status says nothing but ContainerCreating.
func volumeTroubles(s *cluster.Snapshot, p *corev1.Pod) []Trouble {
	// With a sandbox the volumes are mounted: an event is from before.
	if c := podstate.Condition(p, corev1.PodReadyToStartContainers); c != nil && c.Status == corev1.ConditionTrue || !anyCreating(p) {
		return nil
	}
	e := s.Latest(p, "", "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
	if e == nil || lagging(e.Message) {
		return nil
	}
	code := causes.MountFailed
	switch {
	case e.Reason == "FailedCreatePodSandBox":
		code = causes.SandboxFailed
	case noSource.MatchString(e.Message):
		code = causes.VolumeSourceMissing
	case strings.Contains(e.Message, "hostPath type check failed") && !strings.Contains(e.Message, "socket"):
		code = causes.HostPathDiffers // a driver may make its socket a while after it has come
	}
	return []Trouble{OfPod(p, code, e.Reason, e.Message)}
}

// anyCreating: an old event explains nothing once the containers run.
func anyCreating(p *corev1.Pod) bool {
	for _, c := range podstate.Statuses(p) {
		if podstate.Creating(c) {
			return true
		}
	}
	return false
}

// claimTroubles are why a claim that a pod mounts has no volume yet.
func claimTroubles(s *cluster.Snapshot, p *corev1.Pod) []Trouble {
	var all []Trouble
	for _, v := range p.Spec.Volumes {
		name := podstate.ClaimOf(p, v)
		claim := s.Claim(p.Namespace, name)
		if claim == nil || claim.Status.Phase != corev1.ClaimPending {
			continue
		}
		e := s.About("PersistentVolumeClaim", p.Namespace, name, "ProvisioningFailed", "FailedBinding", "WaitForFirstConsumer", "ExternalProvisioning")
		if e == nil {
			continue
		}
		code := causes.ClaimWaiting
		if e.Reason == "ProvisioningFailed" || e.Reason == "FailedBinding" {
			code = causes.ClaimPending
		}
		all = append(all, Trouble{Specific: true, Missing: missingIn(e.Message), Cause: record.Cause{
			Code: code, Object: "PersistentVolumeClaim/" + name, Reason: e.Reason, Message: wording.Shorten(e.Message)}})
	}
	return all
}
