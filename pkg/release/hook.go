package release

import (
	"context"
	"io"
	"strings"
	"time"

	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

const (
	// The end of a hook's log that a cause repeats.
	hookLines, hookBytes = int64(5), int64(2000)
	// hookLogTimeout bounds reading it; it may come after the end of the change.
	hookLogTimeout = 2 * time.Second
)

// readHookLog is the end of the log of the newest pod of a hook, "" for none. Helm
// may delete the hook at once, so that later there is nothing to read.
func (c *client) readHookLog(resources helmkube.ResourceList) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), hookLogTimeout)
	defer cancel()
	for _, info := range resources {
		pod := c.hookPod(ctx, info)
		if pod == "" {
			continue
		}
		lines, size := hookLines, hookBytes
		stream, err := c.logs.CoreV1().Pods(info.Namespace).
			GetLogs(pod, &corev1.PodLogOptions{TailLines: &lines, LimitBytes: &size}).Stream(ctx)
		if err != nil {
			c.log.Debug("reading the log of a hook", "pod", pod, "error", err)
			continue
		}
		text, _ := io.ReadAll(io.LimitReader(stream, size)) // what came is better than nothing
		_ = stream.Close()
		return strings.TrimSpace(string(text))
	}
	return ""
}

// hookPod is the name of the newest pod of a Job, or that of a pod itself.
func (c *client) hookPod(ctx context.Context, info *resource.Info) string {
	switch info.Mapping.GroupVersionKind.Kind {
	case "Pod":
		return info.Name
	case "Job":
	default:
		return ""
	}
	pods, err := c.logs.CoreV1().Pods(info.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "job-name=" + info.Name})
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

// failedHook is the hook of a record that failed, nil for none.
func failedHook(stored *helmrelease.Release) *helmrelease.Hook {
	if stored == nil {
		return nil
	}
	for _, hook := range stored.Hooks {
		if hook.LastRun.Phase == helmrelease.HookPhaseFailed && !hook.LastRun.StartedAt.Before(stored.Info.LastDeployed) {
			return hook
		}
	}
	return nil
}

// hookCause names the hook that ended a change.
func (r *Release) hookCause(hook *helmrelease.Hook, stored *helmrelease.Release, err error) record.Cause {
	events := make([]string, len(hook.Events))
	for i, event := range hook.Events {
		events[i] = event.String()
	}
	cause := record.Cause{Code: "release/hook-failed", Object: hook.Kind + "/" + hook.Name}
	message := "the hook (" + strings.Join(events, ", ") + ") failed: "
	if stopped := r.helm.client.whyStopped(); stopped != nil {
		cause.Container, cause.Reason = stopped.Container, stopped.Reason
		message += strings.Trim(stopped.Object+": "+stopped.Message, ": ")
	} else {
		message += apierror.Message(err)
	}
	if log := r.helm.client.failedHookLog(); log != "" {
		message += "; the end of its log: " + apierror.Bounded(strings.ToValidUTF8(log, "?"))
	}
	r.Relearn(r.helm.client.ctx)
	cause.Message = manifest.Withhold(message, manifest.SecretValues(stored.Manifest, hooksOf(stored)))
	return cause
}

func isJob(info *resource.Info) bool {
	return info.Mapping.GroupVersionKind.GroupKind() == schema.GroupKind{Group: "batch", Kind: "Job"}
}

func isPod(info *resource.Info) bool {
	return info.Mapping.GroupVersionKind.GroupKind() == schema.GroupKind{Kind: "Pod"}
}
