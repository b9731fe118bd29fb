package judge

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/workload"
)

// scalerGrace is how long an autoscaler may take to give a workload the least number of
// pods that it asks for: three times the 15 s after which its controller looks again
// (--horizontal-pod-autoscaler-sync-period). It needs no metrics for that.
const scalerGrace = 45 * time.Second

// scaled waits where a workload is complete with fewer pods than its autoscaler asks for at
// least: the release that raises that number is not rolled out before they run
// (https://github.com/helm/helm/issues/30831). An autoscaler that does not act is not waited
// for longer; then the status says what is not proven.
func (j *Judge) scaled(s cluster.Snapshot, w record.Workload, object metav1.Object, status *Status) {
	pods, err := workload.PodsOf(object)
	least, scaler := leastOf(s, w)
	wanted := replicas(pods.Replicas)
	// With 0 replicas an autoscaler is off.
	if err != nil || !status.ready || wanted == 0 || wanted >= least {
		return
	}
	since, known := j.short[w]
	if !known {
		since = j.Now
		j.short[w] = since
	}
	until := since.Add(scalerGrace)
	if !j.JobsUntil.IsZero() && j.JobsUntil.Before(until) {
		until = j.JobsUntil
	}
	words := fmt.Sprintf("HorizontalPodAutoscaler/%s asks for at least %d", scaler, least)
	if left := until.Sub(j.Now); left > 0 {
		status.ready, status.settles = false, Soonest(status.settles, left)
		status.progress += ", " + words
		return
	}
	status.unproven = fmt.Sprintf("%s: %s pods and has not scaled it: %d were proven", w, words, status.have)
}

// leastOf is the least number of pods that an autoscaler asks for, 0 where there is none.
func leastOf(s cluster.Snapshot, w record.Workload) (least int, name string) {
	for _, h := range s.Scalers {
		t := h.Spec.ScaleTargetRef
		if h.Namespace != w.Namespace || t.Kind != w.Kind || t.Name != w.Name || h.DeletionTimestamp != nil || !able(h) {
			continue
		}
		if n := replicas(h.Spec.MinReplicas); n > least {
			least, name = n, h.Name
		}
	}
	return least, name
}

// able reports whether an autoscaler can act: another one of the same pods makes both stand
// still, and so does a workload that it cannot reach.
func able(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	for _, c := range h.Status.Conditions {
		if c.Status == "False" && (c.Type == autoscalingv2.AbleToScale && c.Reason == "FailedGetScale" || c.Type == autoscalingv2.ScalingActive && c.Reason == "AmbiguousSelector") {
			return false
		}
	}
	return true
}
