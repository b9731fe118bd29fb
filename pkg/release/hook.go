package release

import (
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

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
