package rollout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
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

// Rule says when a condition counts as a failure of the rollout. Seconds are
// counted for what heals by waiting, failures for what heals by a restart.
type Rule struct {
	// Wait means never by itself: the deadline decides, and its cause names it.
	Wait bool
	// Grace is how long the condition must last without a break; 0 is at once.
	Grace time.Duration
	// Shared is the grace once another pod of the same revision has been ready: the
	// revision works somewhere, so that one node may be to blame.
	Shared time.Duration
	// Failures is how often the container must have ended since the watch began.
	Failures int
}

// sharedGrace is the least grace of a condition that other pods do not have
// (kapp pull request 994 and Skaffold issue 8032 tell what happens without).
const sharedGrace = time.Minute

// configGrace is longer than what makes Secrets beside a release takes to make one,
// 20 s and more (https://github.com/external-secrets/kubernetes-external-secrets/issues/154),
// and than the kubelet takes to try again, 10 to 15 s.
const configGrace = 25 * time.Second

func lasting(grace time.Duration) Rule { return Rule{Grace: grace, Shared: max(grace, sharedGrace)} }
func failing(n int) Rule               { return Rule{Failures: n, Shared: sharedGrace} }

var waits = Rule{Wait: true}

// table is what each condition means. A row's comment has Kubernetes' words for it.
var table = []struct {
	code string
	rule Rule
}{
	// The image.
	{codeInvalidName, lasting(0)},                              // InvalidImageName
	{codeDiffers, lasting(0)},                                  // the pod's image is not the verified one
	{codeNeverPull, lasting(0)},                                // ErrImageNeverPull
	{codeSignature, lasting(0)},                                // SignatureValidationFailed
	{codeNotFound, lasting(3 * time.Second)},                   // ErrImagePull, ImagePullBackOff: not found, manifest unknown
	{codeDenied, lasting(45 * time.Second)},                    // … 401, 403, denied: the pull Secret may come late
	{codePull, lasting(2 * time.Minute)},                       // … 429, 5xx, timeout; RegistryUnavailable
	{codeInspect, lasting(time.Minute)},                        // ImageInspectError
	{codeImageVolume, lasting(time.Minute)},                    // ImageVolumeMountFailed, RROUnsupported
	{codeArchitecture, Rule{Failures: 1, Shared: sharedGrace}}, // "exec format error"

	// The container.
	{codeConfig, lasting(configGrace)},         // CreateContainerConfigError, unless the kubelet's cache lags
	{codeCreate, lasting(30 * time.Second)},    // CreateContainerError, PreCreateHookError, PreStartHookError
	{codeStart, failing(2)},                    // RunContainerError, StartError, ContainerCannotRun, exit 126-128
	{codeOOM, failing(2)},                      // OOMKilled
	{codeStartupProbe, failing(2)},             // Killing: failed startup probe; its whole budget was used
	{codeLivenessProbe, failing(3)},            // Killing: failed liveness probe
	{codeCrash, failing(3)},                    // any other end, PostStartHookError, CrashLoopBackOff
	{codeLogPattern, lasting(8 * time.Second)}, // a line that means "never ready"
	{codeLogTransient, waits},                  // the same, but the first restart may heal it
	{codeProbe, waits},                         // Unhealthy: a probe fails within its budget
	{codeFlapping, waits},                      // ready, not ready, ready, not ready
	{codeInit, waits},                          // an init container runs
	{codeGate, waits},                          // readinessGates

	// The pod.
	{codeUnschedulable, lasting(2 * time.Minute)}, // PodScheduled=False Unschedulable
	{codeNoScaleUp, lasting(15 * time.Second)},    // … and NotTriggerScaleUp
	{codeScaleUp, waits},                          // … and TriggerScaleUp, Nominated, or a preemption under way
	{codeGated, waits},                            // … SchedulingGated
	{codeScheduler, lasting(30 * time.Second)},    // … SchedulerError
	{codeSandbox, lasting(time.Minute)},           // FailedCreatePodSandBox
	{codeVolumeSource, lasting(30 * time.Second)}, // FailedMount: no such Secret or ConfigMap
	{codeMount, lasting(2 * time.Minute)},         // FailedMount, FailedAttachVolume: anything else
	{codeClaim, lasting(30 * time.Second)},        // a claim with ProvisioningFailed or FailedBinding
	{codeClaimWait, waits},                        // … WaitForFirstConsumer, ExternalProvisioning
	{codeEvicted, waits},                          // Evicted, Preempting, DisruptionTarget: a replacement comes
	{codeNode, waits},                             // NodeLost, Ready=Unknown

	// The controller.
	{codeQuota, lasting(30 * time.Second)},          // FailedCreate: exceeded quota; room may come as an old pod goes
	{codeAdmission, lasting(5 * time.Second)},       // … denied the request, violates PodSecurity
	{codeWebhook, lasting(time.Minute)},             // … failed calling webhook
	{codeServiceAccount, lasting(30 * time.Second)}, // … error looking up service account
	{codePodCreate, lasting(30 * time.Second)},      // … anything else
	{codeReplicaSet, lasting(0)},                    // ReplicaSetCreateError
	{codeDeadline, lasting(0)},                      // ProgressDeadlineExceeded
	{codePaused, lasting(0)},                        // DeploymentPaused
	{codeDeleted, lasting(10 * time.Second)},        // the workload is gone
	{codeStuck, lasting(30 * time.Second)},          // a broken pod of the old revision holds the StatefulSet up
	{codeJob, lasting(0)},                           // BackoffLimitExceeded, DeadlineExceeded
	{codePodEnded, lasting(0)},                      // a pod without a controller that has ended
	{codeNowhere, lasting(15 * time.Second)},        // a Service whose selector or targetPort matches no pod any more
	{codeEndpoints, waits},                          // EndpointSlices lag behind the pods
}

// ParseRules reads "CODE=terminal" (at once, or at the first end of a container),
// "CODE=ignore" (wait for the deadline) and "CODE=90s" (fail when it lasts that
// long). CODE is one of the table's, with or without "rollout/". All problems are
// reported at once, as wrong input.
func ParseRules(lines []string) (map[string]Rule, error) {
	rules := map[string]Rule{}
	var problems []error
	for _, line := range lines {
		code, rule, err := parseRule(line)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		rules[code] = rule
	}
	if len(problems) > 0 {
		return nil, record.BadInput("rollout/rule-invalid", "%w", errors.Join(problems...))
	}
	return rules, nil
}

func parseRule(line string) (string, Rule, error) {
	name, value, _ := strings.Cut(line, "=")
	code := "rollout/" + strings.TrimPrefix(strings.TrimSpace(name), "rollout/")
	rule, known := defaults()[code]
	if !known {
		return "", Rule{}, fmt.Errorf("rule %q: no such code; there are %s", line, strings.Join(ruleNames(), ", "))
	}
	switch value = strings.TrimSpace(value); value {
	case "ignore":
		return code, waits, nil
	case "terminal":
		return code, Rule{Failures: min(rule.Failures, 1)}, nil
	}
	grace, err := time.ParseDuration(value)
	if err != nil || grace < 0 {
		return "", Rule{}, fmt.Errorf("rule %q: want CODE=terminal, CODE=ignore or a duration as in CODE=90s", line)
	}
	return code, Rule{Grace: grace, Shared: grace, Failures: rule.Failures}, nil
}

func defaults() map[string]Rule {
	rules := make(map[string]Rule, len(table))
	for _, row := range table {
		rules[row.code] = row.rule
	}
	return rules
}

func ruleNames() []string {
	var names []string
	for _, row := range table {
		names = append(names, strings.TrimPrefix(row.code, "rollout/"))
	}
	slices.Sort(names)
	return names
}
