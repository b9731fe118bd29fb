package rollout

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Failed are the pods of one workload that have failed and were not deleted.
type Failed struct {
	Workload record.Workload
	Pods     []corev1.Pod
}

// FailedPods reads them for a revision's workloads, without those of Jobs: they lie there
// also when others have long taken their place. What cannot be read is left out.
func FailedPods(ctx context.Context, o Options, applied record.Applied) []Failed {
	var all []Failed
	for _, w := range o.qualified(applied).Workloads {
		t, err := readTarget(ctx, o.Client, w)
		if err != nil || t.pods.labels == "" || t.Ends {
			continue
		}
		pods, err := o.Client.CoreV1().Pods(w.Namespace).List(ctx, metav1.ListOptions{LabelSelector: t.pods.labels, FieldSelector: "status.phase=Failed"})
		if err == nil && len(pods.Items) > 0 {
			all = append(all, Failed{w, pods.Items})
		}
	}
	return all
}
