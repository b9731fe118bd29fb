package rollout

import (
	"slices"
	"time"
)

// The codes of causes. Each has a heading in docs/errors.md.
const (
	codeInvalidName    = "rollout/invalid-image-name"
	codeNeverPull      = "rollout/image-never-pull"
	codeNotFound       = "rollout/image-not-found"
	codeDenied         = "rollout/image-pull-denied"
	codePull           = "rollout/image-pull-failed"
	codeInspect        = "rollout/image-inspect-failed"
	codeSignature      = "rollout/image-signature-refused"
	codeImageVolume    = "rollout/image-volume-failed"
	codeConfig         = "rollout/config-missing"
	codeCreate         = "rollout/container-not-created"
	codeCrash          = "rollout/crash-loop"
	codeStart          = "rollout/container-not-started"
	codeArchitecture   = "rollout/wrong-architecture"
	codeOOM            = "rollout/oom-killed"
	codeStartupProbe   = "rollout/startup-probe-failed"
	codeLivenessProbe  = "rollout/liveness-probe-failed"
	codeLogPattern     = "rollout/log-pattern"
	codeUnschedulable  = "rollout/unschedulable"
	codeScheduler      = "rollout/scheduler-error"
	codeNoScaleUp      = "rollout/no-scale-up"
	codeSandbox        = "rollout/sandbox-failed"
	codeVolumeSource   = "rollout/volume-source-missing"
	codeMount          = "rollout/mount-failed"
	codeClaim          = "rollout/volume-claim-pending"
	codeQuota          = "rollout/quota-exceeded"
	codeAdmission      = "rollout/admission-denied"
	codeWebhook        = "rollout/webhook-unavailable"
	codeServiceAccount = "rollout/service-account-missing"
	codePodCreate      = "rollout/pod-not-created"
	codeReplicaSet     = "rollout/replicaset-not-created"
	codeDeadline       = "rollout/progress-deadline"
	codePaused         = "rollout/paused"
	codeDeleted        = "rollout/workload-deleted"
	codeStuck          = "rollout/stuck-statefulset"
	codeJob            = "rollout/job-failed"
	codePodEnded       = "rollout/pod-ended"
	codeProbe          = "rollout/probe-failing"
	codeFlapping       = "rollout/readiness-flapping"
	codeInit           = "rollout/init-running"
	codeGate           = "rollout/readiness-gate"
	codeLogTransient   = "rollout/log-pattern-first-run"
	codeGated          = "rollout/scheduling-gated"
	codeScaleUp        = "rollout/scaling-up"
	codeClaimWait      = "rollout/volume-claim-waiting"
	codeEvicted        = "rollout/pod-replaced"
	codeNode           = "rollout/node-lost"
	codeDiffers        = "rollout/image-differs"
	codeNowhere        = "rollout/service-without-pods"
	codeEndpoints      = "rollout/endpoints-outdated"
	codeTimeout        = "rollout/timeout"
	codeUnstable       = "rollout/not-stable"
)

// row is all that is said of one cause, but for how it is found.
type row struct {
	code string
	rule Rule
	// incident is the same word for codes between which one failure may change its
	// looks; "" for a cause that keeps its code.
	incident string
	// log says that the log of its container explains it.
	log bool
	// retryAfter is how long whoever misses a thing may take until it tries again once the
	// thing has come: the kubelet's wait between two starts of a container or two mounts,
	// the growing one of controllers, the back-off of a pull. 0 where nothing is missing.
	retryAfter time.Duration
	// events are the reasons of the events that tell it and are no warnings; claimEvents
	// are those about claims.
	events, claimEvents []string
	// verdict says that it is no condition that lasts: the deadline or the hold gives it.
	verdict bool
}

// table has a row for each cause, in the order of a pod's life. The comment before it has
// Kubernetes' words for it.
var table = []row{
	// The image.
	// InvalidImageName
	{code: codeInvalidName, rule: lasting(0)},
	// the pod's image is not the verified one
	{code: codeDiffers, rule: lasting(0)},
	// ErrImageNeverPull
	{code: codeNeverPull, rule: lasting(0)},
	// SignatureValidationFailed
	{code: codeSignature, rule: lasting(0)},
	// ErrImagePull, ImagePullBackOff: not found, manifest unknown
	{code: codeNotFound, rule: lasting(3 * time.Second), incident: "pull", retryAfter: time.Minute},
	// … 401, 403, denied: the pull Secret may come late
	{code: codeDenied, rule: lasting(45 * time.Second), incident: "pull"},
	// … 429, 5xx, timeout; RegistryUnavailable
	{code: codePull, rule: lasting(2 * time.Minute), incident: "pull"},
	// ImageInspectError
	{code: codeInspect, rule: lasting(time.Minute), incident: "pull"},
	// ImageVolumeMountFailed, RROUnsupported
	{code: codeImageVolume, rule: lasting(time.Minute)},
	// "exec format error"
	{code: codeArchitecture, rule: Rule{Failures: 1, Shared: sharedGrace}, incident: "exit", log: true},

	// The container.
	// CreateContainerConfigError, unless the kubelet's cache lags
	{code: codeConfig, rule: lasting(configGrace), retryAfter: 2 * time.Minute},
	// CreateContainerError, PreCreateHookError, PreStartHookError
	{code: codeCreate, rule: lasting(30 * time.Second)},
	// RunContainerError, StartError, ContainerCannotRun, exit 126-128
	{code: codeStart, rule: failing(2), incident: "exit", log: true},
	// OOMKilled
	{code: codeOOM, rule: failing(2), incident: "exit", log: true},
	// Killing: failed startup probe; its whole budget was used
	{code: codeStartupProbe, rule: failing(2), incident: "exit", log: true, events: []string{"Killing"}},
	// Killing: failed liveness probe
	{code: codeLivenessProbe, rule: failing(3), incident: "exit", log: true, events: []string{"Killing"}},
	// any other exit, PostStartHookError, CrashLoopBackOff
	{code: codeCrash, rule: failing(3), incident: "exit", log: true},
	// a line that means "never ready"
	{code: codeLogPattern, rule: lasting(8 * time.Second)},
	// the same, but the first restart may heal it
	{code: codeLogTransient, rule: waits},
	// Unhealthy: a probe fails within its budget
	{code: codeProbe, rule: waits},
	// ready, not ready, ready, not ready
	{code: codeFlapping, rule: waits},
	// an init container runs
	{code: codeInit, rule: waits},
	// readinessGates
	{code: codeGate, rule: waits},

	// The pod.
	// PodScheduled=False Unschedulable
	{code: codeUnschedulable, rule: lasting(2 * time.Minute), retryAfter: time.Minute},
	// … and NotTriggerScaleUp
	{code: codeNoScaleUp, rule: lasting(15 * time.Second), events: []string{"NotTriggerScaleUp"}},
	// … and TriggerScaleUp, Nominated, or a preemption under way
	{code: codeScaleUp, rule: waits, events: []string{"TriggerScaleUp", "Nominated"}},
	// … SchedulingGated
	{code: codeGated, rule: waits},
	// … SchedulerError
	{code: codeScheduler, rule: lasting(30 * time.Second)},
	// FailedCreatePodSandBox
	{code: codeSandbox, rule: lasting(time.Minute)},
	// FailedMount: no such Secret or ConfigMap
	{code: codeVolumeSource, rule: lasting(30 * time.Second), retryAfter: 150 * time.Second},
	// FailedMount, FailedAttachVolume: anything else
	{code: codeMount, rule: lasting(2 * time.Minute)},
	// a claim with ProvisioningFailed or FailedBinding
	{code: codeClaim, rule: lasting(30 * time.Second), retryAfter: 2 * time.Minute, claimEvents: []string{"FailedBinding"}},
	// … WaitForFirstConsumer, ExternalProvisioning
	{code: codeClaimWait, rule: waits, claimEvents: []string{"WaitForFirstConsumer", "ExternalProvisioning"}},
	// Evicted, Preempting, DisruptionTarget: a replacement comes
	{code: codeEvicted, rule: waits},
	// NodeLost, Ready=Unknown
	{code: codeNode, rule: waits},

	// The controller.
	// FailedCreate: exceeded quota; room may come as an old pod goes
	{code: codeQuota, rule: lasting(30 * time.Second)},
	// … denied the request, violates PodSecurity
	{code: codeAdmission, rule: lasting(5 * time.Second)},
	// … failed calling webhook
	{code: codeWebhook, rule: lasting(time.Minute)},
	// … error looking up service account
	{code: codeServiceAccount, rule: lasting(30 * time.Second), retryAfter: 3 * time.Minute},
	// … anything else
	{code: codePodCreate, rule: lasting(30 * time.Second)},
	// ReplicaSetCreateError
	{code: codeReplicaSet, rule: lasting(0)},
	// ProgressDeadlineExceeded
	{code: codeDeadline, rule: lasting(0), log: true},
	// DeploymentPaused
	{code: codePaused, rule: lasting(0)},
	// the workload is gone
	{code: codeDeleted, rule: lasting(10 * time.Second)},
	// a broken pod of the old revision holds the StatefulSet up
	{code: codeStuck, rule: lasting(30 * time.Second), log: true},
	// BackoffLimitExceeded, DeadlineExceeded
	{code: codeJob, rule: lasting(0), log: true},
	// a pod without a controller that has ended
	{code: codePodEnded, rule: lasting(0), log: true},
	// a Service whose selector or targetPort matches no pod any more
	{code: codeNowhere, rule: lasting(15 * time.Second)},
	// EndpointSlices lag behind the pods
	{code: codeEndpoints, rule: waits},

	// The verdicts.
	{code: codeTimeout, verdict: true, log: true},
	{code: codeUnstable, verdict: true, log: true},
}

// rows is the table by code.
var rows = func() map[string]row {
	all := make(map[string]row, len(table))
	for _, r := range table {
		all[r.code] = r
	}
	return all
}()

// normalEvents are the reasons of all events that are no warnings and tell something,
// those about claims only where claims matter.
func normalEvents(claims bool) []string {
	var all []string
	for _, r := range table {
		all = append(all, r.events...)
		if claims {
			all = append(all, r.claimEvents...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
