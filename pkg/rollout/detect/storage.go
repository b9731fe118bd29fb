package detect

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// overLimit are the kubelet's words for a pod that writes more than its own limits allow
// (pkg/kubelet/eviction/helpers.go): the node has room, and the next pod ends in the same way.
var overLimit = regexp.MustCompile(`Usage of EmptyDir volume "[^"]*" exceeds the limit|ephemeral local storage usage exceeds the total limit|exceeded its local ephemeral storage limit`)

// Overused finds out whether a pod's node ended it for its own limits. Controllers remove
// the pods of some kinds at once; then the event alone is left.
func Overused(s *cluster.Snapshot, p *corev1.Pod) []Trouble {
	message := ""
	if e := s.Latest(p, "", "Evicted"); e != nil {
		message = e.Message
	}
	if p.Status.Phase == corev1.PodFailed && p.Status.Message != "" {
		message = p.Status.Message
	}
	if !overLimit.MatchString(message) {
		return nil
	}
	return []Trouble{OfPod(p, causes.StorageExceeded, "Evicted", strings.TrimSpace(message)+" Its node ended it, and will end the next one; raise the limit, or let it write less")}
}

// inUse says of a pod without a node which pod, of those that stay, has its claim for
// one pod at a time.
func inUse(s *cluster.Snapshot, p *corev1.Pod, message string) (words string, found bool) {
	if !strings.Contains(message, string(corev1.ReadWriteOncePod)) {
		return "", false
	}
	for _, v := range p.Spec.Volumes {
		for _, other := range s.Pods {
			if name := podstate.ClaimOf(p, v); name != "" && other.UID != p.UID && other.Namespace == p.Namespace && stays(other) && hasClaim(other, name) {
				return wording.Shorten(fmt.Sprintf("PersistentVolumeClaim/%s is for one pod at a time, and Pod/%s has it and stays; a Deployment ends its old pod first with strategy Recreate; %s", name, other.Name, message)), true
			}
		}
	}
	return "", false
}

// stays reports whether a pod has a node and neither ends by itself nor is taken away.
func stays(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	batch := owner != nil && owner.Kind == "Job"
	return p.Spec.NodeName != "" && p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded && !batch
}

func hasClaim(p *corev1.Pod, name string) bool {
	return slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return podstate.ClaimOf(p, v) == name })
}
