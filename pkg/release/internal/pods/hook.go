// Package pods looks at the pods that a change runs into: those of its hooks, and those
// of earlier revisions that are in its way.
package pods

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// The end of a hook's log that a cause repeats.
	hookLines, hookBytes = int64(5), int64(2000)
	// hookLogTimeout bounds reading it; it may come after the end of the change.
	hookLogTimeout = 2 * time.Second
)

// HookLog is the end of the log of the newest pod of a hook, "" for none. Helm
// may delete the hook at once, so that later there is nothing to read. It outlives ctx.
func HookLog(ctx context.Context, client kubernetes.Interface, log *slog.Logger, hook []*resource.Info) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hookLogTimeout)
	defer cancel()
	for _, info := range hook {
		pod := hookPod(ctx, client, info)
		if pod == "" {
			continue
		}
		lines, size := hookLines, hookBytes
		stream, err := client.CoreV1().Pods(info.Namespace).
			GetLogs(pod, &corev1.PodLogOptions{TailLines: &lines, LimitBytes: &size}).Stream(ctx)
		if err != nil {
			log.Debug("reading the log of a hook", "pod", pod, "error", err)
			continue
		}
		text, _ := io.ReadAll(io.LimitReader(stream, size)) // what came is better than nothing
		_ = stream.Close()
		return strings.TrimSpace(string(text))
	}
	return ""
}

// hookPod is the name of the newest pod of a Job, or that of a pod itself.
func hookPod(ctx context.Context, client kubernetes.Interface, info *resource.Info) string {
	switch info.Mapping.GroupVersionKind.Kind {
	case "Pod":
		return info.Name
	case "Job":
	default:
		return ""
	}
	pods, err := client.CoreV1().Pods(info.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "job-name=" + info.Name})
	if err != nil {
		return ""
	}
	newest := corev1.Pod{}
	for _, pod := range pods.Items {
		if newest.Name == "" || newest.CreationTimestamp.Before(&pod.CreationTimestamp) {
			newest = pod
		}
	}
	return newest.Name
}

// AreOver reports whether all of a hook has come to its end, or is gone because it
// had: a judge may have seen the gap only. It looks no longer than limit, and outlives
// ctx.
func AreOver(ctx context.Context, client kubernetes.Interface, hook []*resource.Info, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	for _, info := range hook {
		over := true
		switch {
		case isJob(info):
			job, err := client.BatchV1().Jobs(info.Namespace).Get(ctx, info.Name, metav1.GetOptions{})
			over = apierrors.IsNotFound(err) || err == nil && slices.ContainsFunc(job.Status.Conditions, func(condition batchv1.JobCondition) bool {
				return condition.Type == batchv1.JobComplete && condition.Status == corev1.ConditionTrue
			})
		case isPod(info):
			pod, err := client.CoreV1().Pods(info.Namespace).Get(ctx, info.Name, metav1.GetOptions{})
			over = apierrors.IsNotFound(err) || err == nil && pod.Status.Phase == corev1.PodSucceeded
		}
		if !over {
			return false
		}
	}
	return true
}

// Workloads are what of a hook makes pods.
func Workloads(hook []*resource.Info) []record.Workload {
	var all []record.Workload
	for _, info := range hook {
		if isJob(info) || isPod(info) {
			all = append(all, record.Workload{Kind: info.Mapping.GroupVersionKind.Kind, Namespace: info.Namespace, Name: info.Name})
		}
	}
	return all
}

func isJob(info *resource.Info) bool {
	return info.Mapping.GroupVersionKind.GroupKind() == schema.GroupKind{Group: "batch", Kind: "Job"}
}

func isPod(info *resource.Info) bool {
	return info.Mapping.GroupVersionKind.GroupKind() == schema.GroupKind{Kind: "Pod"}
}
