package rollout

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// Evicted tells of pods of a revision's workloads that their nodes have ended, a concern for
// each workload: for what they wrote, which kubelets measure once a minute, or because a node
// ran out of something (https://github.com/decocms/studio/pull/7011,
// https://github.com/kubernetes/kubernetes/issues/116986). They lie there until somebody deletes
// them, also when others have long taken their place. What cannot be read is left out.
func Evicted(ctx context.Context, o Options, applied record.Applied) []record.Concern {
	var all []record.Concern
	for _, w := range o.qualified(applied).Workloads {
		t, err := readTarget(ctx, o.Client, w)
		if err != nil || t.pods.labels == "" || t.Ends {
			continue
		}
		pods, err := o.Client.CoreV1().Pods(w.Namespace).List(ctx, metav1.ListOptions{LabelSelector: t.pods.labels, FieldSelector: "status.phase=Failed"})
		if err != nil {
			continue
		}
		if c, found := ended(w, pods.Items); found {
			all = append(all, c)
		}
	}
	return all
}

func ended(w record.Workload, pods []corev1.Pod) (record.Concern, bool) {
	n, last := 0, corev1.Pod{}
	for _, p := range pods {
		if p.Status.Phase != corev1.PodFailed || p.Status.Reason != "Evicted" {
			continue
		}
		if n++; last.Name == "" || last.CreationTimestamp.Before(&p.CreationTimestamp) {
			last = p
		}
	}
	return record.Concern{Code: "preflight/evicted", Object: w.String(),
		Message: fmt.Sprintf("the nodes have ended %d of its pods, Pod/%s last: %s", n, last.Name, wording.Shorten(strings.TrimSpace(last.Status.Message))),
		Advice:  "kubectl delete pod removes those that have ended; a limit that is too low ends the next ones, too"}, n > 0
}
