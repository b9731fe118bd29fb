package judge

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// rejections adds to the status of a workload that its nodes do not begin with its new
// pods: its controller makes one after the other, dozens in a minute
// (https://github.com/kubernetes/kubernetes/issues/72593,
// https://github.com/kubernetes/kubernetes/issues/108152). Some controllers remove a
// rejected pod, so that all of them are counted. How often the place of one pod was
// refused is what counts: a node that starts again rejects the pods of many places once.
// Those of a Job are its own limit's to count.
func (j *Judge) rejections(w record.Workload, status *Status) {
	var last *corev1.Pod
	for _, m := range status.Members {
		if !m.Fresh || !podstate.Rejected(m.Pod) {
			continue
		}
		if j.rejected[w] == nil {
			j.rejected[w] = map[types.UID]bool{}
		}
		j.rejected[w][m.Pod.UID] = true
		if last == nil || last.CreationTimestamp.Before(&m.Pod.CreationTimestamp) {
			last = m.Pod
		}
	}
	if last == nil || status.Batch || status.ready {
		return
	}
	n, places := len(j.rejected[w]), max(1, status.want)
	message := fmt.Sprintf("node %s does not begin with it: %s", last.Spec.NodeName, last.Status.Message)
	if n > 1 {
		message += fmt.Sprintf("; %d pods of %s were rejected so", n, w)
	}
	t := detect.OfPod(last, causes.PodRejected, last.Status.Reason, message)
	t.Failures, t.Shared = (n+places-1)/places, status.have > 0
	status.troubles = append(status.troubles, t)
}
