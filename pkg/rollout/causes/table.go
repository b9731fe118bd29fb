// Package causes is the table of what can be wrong with a rollout: a row for each cause,
// with its code, with when it counts as a failure, and with whatever else is said of it by
// name. It knows nothing of how a cause is found; that is [detect]'s.
package causes

import (
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// The codes of causes. Each has a heading in docs/errors.md.
const (
	InvalidName           = "rollout/invalid-image-name"
	NeverPull             = "rollout/image-never-pull"
	ImageNotFound         = "rollout/image-not-found"
	PullDenied            = "rollout/image-pull-denied"
	PullFailed            = "rollout/image-pull-failed"
	InspectFailed         = "rollout/image-inspect-failed"
	SignatureRefused      = "rollout/image-signature-refused"
	ImageVolumeFailed     = "rollout/image-volume-failed"
	ConfigMissing         = "rollout/config-missing"
	RunsAsRoot            = "rollout/runs-as-root"
	NotCreated            = "rollout/container-not-created"
	CrashLoop             = record.CodeCrashLoop
	NotStarted            = "rollout/container-not-started"
	WrongArchitecture     = "rollout/wrong-architecture"
	OOMKilled             = "rollout/oom-killed"
	StartupProbeFailed    = "rollout/startup-probe-failed"
	LivenessProbeFailed   = "rollout/liveness-probe-failed"
	LogPattern            = "rollout/log-pattern"
	Unschedulable         = "rollout/unschedulable"
	SchedulerError        = "rollout/scheduler-error"
	NoScheduler           = "rollout/no-scheduler"
	NoScaleUp             = "rollout/no-scale-up"
	NoNodeFits            = "rollout/no-node-fits"
	Preempted             = "rollout/preempted"
	SandboxFailed         = "rollout/sandbox-failed"
	VolumeSourceMissing   = "rollout/volume-source-missing"
	HostPathDiffers       = "rollout/host-path-differs"
	MountFailed           = "rollout/mount-failed"
	ClaimPending          = "rollout/volume-claim-pending"
	ClaimInUse            = "rollout/volume-claim-in-use"
	QuotaExceeded         = "rollout/quota-exceeded"
	AdmissionDenied       = "rollout/admission-denied"
	WebhookUnavailable    = "rollout/webhook-unavailable"
	ServiceAccountMissing = "rollout/service-account-missing"
	PodNotCreated         = "rollout/pod-not-created"
	ReplicaSetNotCreated  = "rollout/replicaset-not-created"
	ProgressDeadline      = "rollout/progress-deadline"
	Paused                = "rollout/paused"
	WorkloadDeleted       = "rollout/workload-deleted"
	StatefulSetStuck      = "rollout/stuck-statefulset"
	JobFailed             = "rollout/job-failed"
	PodEnded              = "rollout/pod-ended"
	ProbeFailing          = "rollout/probe-failing"
	ProbeNotRunnable      = "rollout/probe-not-runnable"
	ReadinessFlapping     = "rollout/readiness-flapping"
	InitRunning           = "rollout/init-running"
	ReadinessGate         = "rollout/readiness-gate"
	LogPatternFirstRun    = "rollout/log-pattern-first-run"
	SchedulingGated       = "rollout/scheduling-gated"
	ScalingUp             = "rollout/scaling-up"
	ClaimWaiting          = "rollout/volume-claim-waiting"
	PodReplaced           = "rollout/pod-replaced"
	PodRejected           = "rollout/pod-rejected"
	StorageExceeded       = "rollout/storage-exceeded"
	NodeLost              = "rollout/node-lost"
	ResourceClaimFailed   = "rollout/resource-claim-failed"
	Warned                = "rollout/warned"
	ImageDiffers          = "rollout/image-differs"
	ServiceWithoutPods    = "rollout/service-without-pods"
	EndpointsOutdated     = "rollout/endpoints-outdated"
	Timeout               = "rollout/timeout"
	NotStable             = "rollout/not-stable"
)

// Row is all that is said of one cause, but for how it is found.
type Row struct {
	Code string
	Rule Rule
	// KindOf is the code that has the same looks and says less: a rule that the user gives
	// for it holds here, too. "" for none.
	KindOf string
	// Incident is the same word for codes between which one failure may change its
	// looks; "" for a cause that keeps its code.
	Incident string
	// Log says that the log of its container explains it.
	Log bool
	// RetryAfter is how long whoever misses a thing may take until it tries again once the
	// thing has come: the kubelet's wait between two starts of a container or two mounts,
	// the growing one of controllers, the back-off of a pull. 0 where nothing is missing.
	RetryAfter time.Duration
	// Events are the reasons of the events that tell it and are no warnings; claimEvents
	// are those about claims, hookEvents those of containers with a postStart hook.
	Events, ClaimEvents, HookEvents []string
	// Verdict says that it is no condition that lasts: the deadline or the hold gives it.
	Verdict bool
}

// Table has a row for each cause, in the order of a pod's life. The comment before it has
// Kubernetes' words for it.
var Table = []Row{
	// The image.
	// InvalidImageName
	{Code: InvalidName, Rule: lasting(0)},
	// the pod's image is not the verified one
	{Code: ImageDiffers, Rule: lasting(0)},
	// ErrImageNeverPull
	{Code: NeverPull, Rule: lasting(0)},
	// SignatureValidationFailed, or a verifier's no, which may be that of one that could not ask
	{Code: SignatureRefused, Rule: lasting(30 * time.Second)},
	// ErrImagePull, ImagePullBackOff: not found, manifest unknown
	{Code: ImageNotFound, Rule: lasting(3 * time.Second), Incident: "pull", RetryAfter: time.Minute},
	// … 401, 403, denied: the pull Secret may come late
	{Code: PullDenied, Rule: lasting(45 * time.Second), Incident: "pull"},
	// … 429, 5xx, timeout; RegistryUnavailable
	{Code: PullFailed, Rule: lasting(2 * time.Minute), Incident: "pull"},
	// ImageInspectError
	{Code: InspectFailed, Rule: lasting(time.Minute), Incident: "pull"},
	// CreateContainerError: ImageVolumeMountFailed, RROUnsupported; CreateContainerConfigError: recursive read-only
	{Code: ImageVolumeFailed, KindOf: NotCreated, Rule: lasting(time.Minute)},
	// "exec format error"
	{Code: WrongArchitecture, Rule: Rule{Failures: 1, Shared: sharedGrace}, Incident: "exit", Log: true},

	// The container.
	// CreateContainerConfigError: a thing that is not there, unless the kubelet's cache lags
	{Code: ConfigMissing, Rule: lasting(configGrace), RetryAfter: 2 * time.Minute},
	// CreateContainerConfigError: runAsNonRoot, which neither image nor time can change
	{Code: RunsAsRoot, KindOf: ConfigMissing, Rule: lasting(0)},
	// CreateContainerError, PreCreateHookError, PreStartHookError, any other CreateContainerConfigError
	{Code: NotCreated, Rule: lasting(30 * time.Second)},
	// RunContainerError, StartError, ContainerCannotRun, exit 126-128
	{Code: NotStarted, Rule: failing(2), Incident: "exit", Log: true},
	// OOMKilled
	{Code: OOMKilled, Rule: failing(2), Incident: "exit", Log: true},
	// Killing: failed startup probe; its whole budget was used
	{Code: StartupProbeFailed, Rule: failing(2), Incident: "exit", Log: true, Events: []string{"Killing"}},
	// Killing: failed liveness probe
	{Code: LivenessProbeFailed, Rule: failing(3), Incident: "exit", Log: true, Events: []string{"Killing"}},
	// any other exit, PostStartHookError, CrashLoopBackOff
	{Code: CrashLoop, Rule: failing(3), Incident: "exit", Log: true},
	// a line that means "never ready"
	{Code: LogPattern, Rule: lasting(8 * time.Second)},
	// the same, but the first restart may heal it
	{Code: LogPatternFirstRun, Rule: waits},
	// Unhealthy: a probe fails within its budget
	{Code: ProbeFailing, Rule: waits},
	// Unhealthy: … probe errored, the image has no such program; such an answer neither passes nor kills
	{Code: ProbeNotRunnable, KindOf: ProbeFailing, Rule: lasting(10 * time.Second)},
	// ready, not ready, ready, not ready
	{Code: ReadinessFlapping, Rule: waits},
	// an init container runs
	{Code: InitRunning, Rule: waits},
	// readinessGates
	{Code: ReadinessGate, Rule: waits},

	// The pod.
	// PodScheduled=False Unschedulable
	{Code: Unschedulable, Rule: lasting(2 * time.Minute), RetryAfter: time.Minute},
	// … and no node is what the pod asks for, and no autoscaler says a word
	{Code: NoNodeFits, KindOf: Unschedulable, Rule: lasting(30 * time.Second), RetryAfter: time.Minute},
	// … and a pod of a higher priority has the place of one that this one replaces
	{Code: Preempted, KindOf: Unschedulable, Rule: lasting(2 * time.Minute), RetryAfter: time.Minute, Events: []string{"Preempted"}},
	// … and NotTriggerScaleUp
	{Code: NoScaleUp, Rule: lasting(15 * time.Second), Events: []string{"NotTriggerScaleUp"}},
	// … and TriggerScaleUp, Nominated, or a preemption under way
	{Code: ScalingUp, Rule: waits, Events: []string{"TriggerScaleUp", "Nominated"}},
	// … SchedulingGated
	{Code: SchedulingGated, Rule: waits},
	// … SchedulerError
	{Code: SchedulerError, Rule: lasting(30 * time.Second)},
	// no condition, no event: no scheduler looks for a node
	{Code: NoScheduler, KindOf: Unschedulable, Rule: lasting(time.Minute)},
	// FailedCreatePodSandBox
	{Code: SandboxFailed, Rule: lasting(time.Minute)},
	// FailedMount: no such Secret or ConfigMap
	{Code: VolumeSourceMissing, Rule: lasting(30 * time.Second), RetryAfter: 150 * time.Second},
	// FailedMount: hostPath type check failed; the kubelet has tried five times by then
	{Code: HostPathDiffers, KindOf: MountFailed, Rule: lasting(10 * time.Second)},
	// FailedMount, FailedAttachVolume: anything else
	{Code: MountFailed, Rule: lasting(2 * time.Minute)},
	// a claim with ProvisioningFailed or FailedBinding
	{Code: ClaimPending, Rule: lasting(30 * time.Second), RetryAfter: 2 * time.Minute, ClaimEvents: []string{"FailedBinding"}},
	// … for one pod at a time, and a pod of the same workload that stays has it
	{Code: ClaimInUse, KindOf: Unschedulable, Rule: lasting(15 * time.Second)},
	// … WaitForFirstConsumer, ExternalProvisioning
	{Code: ClaimWaiting, Rule: waits, ClaimEvents: []string{"WaitForFirstConsumer", "ExternalProvisioning"}},
	// Evicted, Preempting, DisruptionTarget: a replacement comes
	{Code: PodReplaced, Rule: waits},
	// SysctlForbidden, AppArmor, OutOfcpu, UnexpectedAdmissionError: its node does not begin with it
	{Code: PodRejected, Rule: failing(3)},
	// Evicted, for more local storage than its own limits allow
	{Code: StorageExceeded, Rule: lasting(0)},
	// Ready=False of containers that are ready
	{Code: NodeLost, Rule: waits},
	// FailedResourceClaimCreation: the scheduler does not look at such a pod
	{Code: ResourceClaimFailed, Rule: lasting(30 * time.Second), RetryAfter: 2 * time.Minute},
	// any other warning about a pod of which nothing else is known
	{Code: Warned, Rule: waits},

	// The controller.
	// FailedCreate: exceeded quota; room may come as an old pod goes
	{Code: QuotaExceeded, Rule: lasting(30 * time.Second)},
	// … denied the request, violates PodSecurity
	{Code: AdmissionDenied, Rule: lasting(5 * time.Second)},
	// … failed calling webhook
	{Code: WebhookUnavailable, Rule: lasting(time.Minute)},
	// … error looking up service account
	{Code: ServiceAccountMissing, Rule: lasting(30 * time.Second), RetryAfter: 3 * time.Minute},
	// … anything else; a PriorityClass that is not there may come
	{Code: PodNotCreated, Rule: lasting(30 * time.Second), RetryAfter: 3 * time.Minute},
	// ReplicaSetCreateError
	{Code: ReplicaSetNotCreated, Rule: lasting(30 * time.Second)},
	// ProgressDeadlineExceeded; that of the change before stays for a moment
	{Code: ProgressDeadline, Rule: lasting(5 * time.Second), Log: true},
	// DeploymentPaused
	{Code: Paused, Rule: lasting(0)},
	// the workload is gone
	{Code: WorkloadDeleted, Rule: lasting(10 * time.Second)},
	// a broken pod of the old revision holds the StatefulSet up
	{Code: StatefulSetStuck, Rule: lasting(30 * time.Second), Log: true},
	// BackoffLimitExceeded, DeadlineExceeded
	{Code: JobFailed, Rule: lasting(0), Log: true},
	// a pod without a controller that has ended
	{Code: PodEnded, Rule: lasting(0), Log: true},
	// a Service whose selector or targetPort matches no pod any more
	{Code: ServiceWithoutPods, Rule: lasting(15 * time.Second)},
	// EndpointSlices lag behind the pods
	{Code: EndpointsOutdated, Rule: waits},

	// The verdicts.
	// …: while a postStart hook runs, its container is shown as one that is created
	{Code: Timeout, Verdict: true, Log: true, HookEvents: []string{"Started"}},
	{Code: NotStable, Verdict: true, Log: true},
}

// Of is the row of a code, the zero row where there is none.
func Of(code string) Row { return byCode[code] }

var byCode = func() map[string]Row {
	all := make(map[string]Row, len(Table))
	for _, r := range Table {
		all[r.Code] = r
	}
	return all
}()

// NormalEvents are the reasons of all events that are no warnings and tell something,
// those about claims and hooks only where they matter.
func NormalEvents(claims, hooks bool) []string {
	var all []string
	for _, r := range Table {
		all = append(all, r.Events...)
		if claims {
			all = append(all, r.ClaimEvents...)
		}
		if hooks {
			all = append(all, r.HookEvents...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
