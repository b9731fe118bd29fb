package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/pods"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// judge looks at pods where Helm waits for them.
type judge struct {
	watch    func(context.Context, record.Applied) (record.Rollout, error) // nil for none
	describe func(*helmrelease.Release) (record.Applied, error)
}

// afterwards are the hooks that Helm runs when it has waited, by what it is doing.
var afterwards = map[helmrelease.Status]helmrelease.HookEvent{
	helmrelease.StatusPendingInstall:  helmrelease.HookPostInstall,
	helmrelease.StatusPendingUpgrade:  helmrelease.HookPostUpgrade,
	helmrelease.StatusPendingRollback: helmrelease.HookPostRollback,
}

// Wait waits for the pods only when hooks follow that may need them: the caller
// watches the rollout anyway.
func (c *client) Wait(resources helmkube.ResourceList, timeout time.Duration) error {
	if len(resources) > 0 && !slices.ContainsFunc(resources, func(info *resource.Info) bool { return !isDefinition(info) }) {
		// What the folder crds brought: without this the cluster may not know the kinds
		// of the objects that come next.
		return c.boundedWait(timeout, nil, func(timeout time.Duration) error { return c.Client.Wait(resources, timeout) })
	}
	stored := c.marks.current()
	if stored == nil || !hasHooks(stored, afterwards[stored.Info.Status]) {
		return nil
	}
	// What keeps pods from becoming ready must not wait for the end of this.
	c.finish(stored)
	if c.judge.watch == nil {
		return c.boundedWait(timeout, nil, func(timeout time.Duration) error { return c.Client.Wait(resources, timeout) })
	}
	applied, err := c.judge.describe(stored)
	if err != nil {
		return err
	}
	rollout, err := c.judge.watch(c.ctx, applied)
	if err != nil {
		return fmt.Errorf("waiting for the pods before the hooks: %w", err)
	}
	if rollout.Cause != nil {
		c.stop(rollout.Cause)
		return fmt.Errorf("waiting for the pods before the hooks: %s", rollout.Cause) // made of a cause
	}
	if stored.Info.Status == helmrelease.StatusPendingInstall {
		return nil
	}
	return retry.Sleep(c.ctx, followed)
}

// followed is how long the nodes may still lead a Service to the pods of before, which
// a hook would ask then. kube-proxy writes its rules once in a second, and nothing in
// the cluster says that it has (https://github.com/helm/helm/issues/4279).
const followed = 2 * time.Second

func isDefinition(info *resource.Info) bool {
	return info.Mapping.GroupVersionKind.Kind == "CustomResourceDefinition"
}

// hasHooks reports whether hooks follow that may need the pods. One that the pods need
// says so by the annotation of [annotationWait], as with `helm upgrade` without --wait
// (https://github.com/helm/charts/issues/6964).
func hasHooks(stored *helmrelease.Release, event helmrelease.HookEvent) bool {
	return slices.ContainsFunc(stored.Hooks, func(hook *helmrelease.Hook) bool {
		return slices.Contains(hook.Events, event) && !goesAhead(hook)
	})
}

func goesAhead(hook *helmrelease.Hook) bool {
	objects, err := manifest.Objects(hook.Manifest)
	return err == nil && len(objects) > 0 && objects[0].GetAnnotations()[manifest.AnnotationWait] == "false"
}

// boundedWait runs what Helm waits with, which takes no context, no longer than the
// change may take, and not when it is known to be hopeless.
func (c *client) boundedWait(timeout time.Duration, hopeless <-chan *record.Cause, waiting func(time.Duration) error) error {
	if deadline, ok := c.ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	done := make(chan error, 1)
	go func() {
		done <- record.Guard(func() error { return waiting(max(timeout, time.Millisecond)) })
	}()
	hopelessly := func(cause *record.Cause) error {
		c.stop(cause)
		return fmt.Errorf("it cannot succeed: %s", cause) // made of a cause
	}
	var err error
	select {
	case err = <-done:
	case cause := <-hopeless:
		return hopelessly(cause)
	case <-c.ctx.Done():
		err = fmt.Errorf("it did not end in time: %w", c.ctx.Err())
	}
	if hopeless != nil && err != nil && !errors.Is(c.ctx.Err(), context.Canceled) {
		// The judge says what was missing when the time is up, and of a Job that failed
		// what its pods said, which may be gone by now (kubernetes/kubernetes#74848).
		select {
		case cause := <-hopeless:
			return hopelessly(cause)
		case <-time.After(lastLook):
		}
	}
	return err
}

// lastLook is how long a judge may take to say what it saw.
const lastLook = 500 * time.Millisecond

// judged watches the pods of a hook; the channel gets why it cannot succeed.
func (c *client) judged(ctx context.Context, resources helmkube.ResourceList) <-chan *record.Cause {
	applied := record.Applied{Workloads: pods.Workloads(resources)}
	if c.judge.watch == nil || len(applied.Workloads) == 0 {
		return nil
	}
	result := make(chan *record.Cause, 1)
	go func() {
		var rollout record.Rollout
		err := record.Guard(func() (err error) { rollout, err = c.judge.watch(ctx, applied); return err })
		switch {
		case err != nil:
			c.log.Debug("watching a hook", "error", err) // Helm watches it, too
		case rollout.Cause != nil && !pods.AreOver(c.ctx, c.logs, resources, lastLook):
			result <- rollout.Cause
		}
	}()
	return result
}

// WaitForDelete waits until what was deleted is gone, and says what is not, and why.
func (c *client) WaitForDelete(resources helmkube.ResourceList, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	left, err := live.AwaitGone(ctx, resources)
	if left == nil || err != nil {
		return err
	}
	c.stop(&record.Cause{Code: "release/not-deleted", Object: left.Object, Reason: "Terminating", Message: left.Why})
	return fmt.Errorf("%s: %s", left.Object, left.Why)
}

// stop keeps why waiting was pointless.
func (c *client) stop(cause *record.Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = cause
}

// whyStopped is the cause of the end of a wait, nil for none.
func (c *client) whyStopped() *record.Cause {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
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
		cause.Container, cause.Reason, cause.MetLock = stopped.Container, stopped.Reason, stopped.MetLock
		message += strings.Trim(stopped.Object+": "+stopped.Message, ": ")
	} else {
		message += apierror.Message(err)
	}
	if log := r.helm.client.failedHookLog(); log != "" {
		cause.MetLock = cause.MetLock || backstage.MetLock(log)
		message += "; " + record.LogEnd + apierror.Bounded(strings.ToValidUTF8(log, "?"))
	}
	r.Relearn(r.helm.client.ctx)
	cause.Message = manifest.Withhold(message, manifest.SecretValues(stored.Manifest, hooksOf(stored)))
	return cause
}
