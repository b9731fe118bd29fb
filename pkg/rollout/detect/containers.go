package detect

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// waitingCodes are the reasons why a container waits that need no further reading.
var waitingCodes = map[string]string{
	"InvalidImageName":          causes.InvalidName,
	"ErrImageNeverPull":         causes.NeverPull,
	"ImageInspectError":         causes.InspectFailed,
	"SignatureValidationFailed": causes.SignatureRefused,
	"PreCreateHookError":        causes.NotCreated,
	"PreStartHookError":         causes.NotCreated,
}

// waitingTrouble is why a container cannot be made, by its status. After an init
// container the kubelet writes that down only with its next sync, 10 to 15 s
// later, but sends the event at once: a young event stands in for the status.
func waitingTrouble(s *cluster.Snapshot, p *corev1.Pod, c corev1.ContainerStatus) (Trouble, bool) {
	if c.State.Waiting == nil {
		return Trouble{}, false
	}
	reason, message := c.State.Waiting.Reason, c.State.Waiting.Message
	if podstate.Creating(c) {
		if reason, message = hint(s, p, c.Name); reason == "" {
			return Trouble{}, false
		}
	}
	t := Trouble{Specific: true, Run: podstate.RunOf(p, c), Missing: missingIn(message), Cause: record.Cause{
		Object: "Pod/" + p.Name, Container: c.Name, Reason: reason, Message: wording.Shorten(message)}}
	switch reason {
	case "ErrImagePull", "ImagePullBackOff", "RegistryUnavailable":
		t.Cause.Code = pullCode(message)
		t.Specific = t.Cause.Code != causes.PullFailed || reason != "ImagePullBackOff"
		t.Also, t.Missing = withoutLogin(s, p), imageIn(message, p, c.Name)
		t.Cause.Message += t.Also
	case "CreateContainerError", "CreateContainerConfigError":
		t.Cause.Code = creationCode(message)
		if t.Cause.Code == causes.RunsAsRoot {
			t.Cause.Message += "; give securityContext.runAsUser as a number that is not 0"
		}
	default:
		t.Cause.Code = waitingCodes[reason]
	}
	return t, t.Cause.Code != "" && !lagging(message)
}

// lagging: the kubelet's own cache may not have an object yet that is there.
func lagging(message string) bool {
	return strings.Contains(message, "failed to sync") && strings.Contains(message, "cache")
}

// maxHintAge is how old an event may be that stands in for a status.
const maxHintAge = 30 * time.Second

// missingWords are the kubelet's words for what CreateContainerConfigError will say.
var missingWords = regexp.MustCompile(`(?i)(secret|configmap) ".*" not found|couldn't find key`)

// rootWords are its words for a user that must not be root and is, or may be
// (pkg/kubelet/kuberuntime/security_context.go).
var rootWords = regexp.MustCompile(`runAsNonRoot|non-root policy`)

// mountWords are those of runtimes and the kubelet for an image volume that cannot be mounted,
// and a mount that cannot be read-only as the pod wants it (k8s.io/cri-api/pkg/errors,
// pkg/kubelet/kubelet_pods.go, https://github.com/containerd/containerd/issues/13534).
var mountWords = regexp.MustCompile(`\b(ImageVolumeMountFailed|RROUnsupported): |recursive read-only`)

// creationCode says why a container cannot be made by what the kubelet or the runtime says of it.
func creationCode(message string) string {
	switch {
	case rootWords.MatchString(message):
		return causes.RunsAsRoot
	case missingIn(message) != nil, missingWords.MatchString(message):
		return causes.ConfigMissing
	case mountWords.MatchString(message):
		return causes.ImageVolumeFailed
	case strings.Contains(message, "SignatureValidationFailed: "): // of CRI-O, also of an image that is there
		return causes.SignatureRefused
	}
	return causes.NotCreated
}

// hint reads a status from the newest event that has one.
func hint(s *cluster.Snapshot, p *corev1.Pod, name string) (reason, message string) {
	var last time.Time
	for _, e := range s.ByUID[p.UID] {
		at := events.SeenAt(e)
		if podstate.ContainerOf(e) != name || s.Now.Sub(at) > maxHintAge || at.Before(last) {
			continue
		}
		if r, m := hinted(e); r != "" {
			reason, message, last = r, m, at
		}
	}
	return reason, message
}

func hinted(e *corev1.Event) (reason, message string) {
	switch e.Reason {
	case "ErrImageNeverPull":
		return e.Reason, e.Message
	case "InspectFailed":
		if strings.Contains(e.Message, "couldn't parse image") || strings.Contains(e.Message, "invalid reference") {
			return "InvalidImageName", e.Message
		}
	case "Failed":
		if strings.HasPrefix(e.Message, "Failed to pull image") {
			return "ErrImagePull", e.Message
		}
		if words, ok := strings.CutPrefix(e.Message, "Error: "); ok && (missingWords.MatchString(words) || rootWords.MatchString(words)) {
			return "CreateContainerConfigError", words
		}
	}
	return "", ""
}

// withoutLogin says of a pod whose image cannot be pulled which of its pull secrets the kubelet
// has not found: registries call what they hide "denied" or "not found"
// (https://github.com/aquasecurity/aqua-helm/issues/255, https://github.com/metrico/gigapipe-helm/issues/9,
// https://github.com/confluentinc/confluent-kubernetes-examples/issues/276). A kubelet that does not
// need one says so, too, so that it counts for nothing by itself. Until Kubernetes 1.36 the event
// comes before the pull, since then after a pull that has failed.
func withoutLogin(s *cluster.Snapshot, p *corev1.Pod) string {
	e := s.Latest(p, "", "FailedToRetrieveImagePullSecret")
	if e == nil {
		return ""
	}
	names := missingLogins.FindStringSubmatch(e.Message)
	if names == nil {
		return "; " + wording.Shorten(e.Message)
	}
	return fmt.Sprintf("; imagePullSecrets of the pod that are not in its namespace: %s, so that it was pulled without them", names[1])
}

// missingLogins are the kubelet's words (pkg/kubelet/kubelet_pods.go).
var missingLogins = regexp.MustCompile(`Unable to retrieve some image pull secrets \(([^)]+)\)`)

// deniedPattern wants a word: every thirtieth digest has 401 or 403 inside.
var deniedPattern = regexp.MustCompile(`\b40[13]\b`)

// pullCode says what is behind a failed pull by the registry's own words. The
// whole message counts, the registry speaks last.
func pullCode(message string) string {
	words := strings.ToLower(message)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(words, part) })
	}
	switch {
	case has("toomanyrequests", "too many requests", "rate limit"):
		return causes.PullFailed // Docker Hub says so with "denied" beside it
	case has("may require authorization"):
		return causes.PullDenied
	case has("signature") && has("validation failed", "rejected", "not valid"), has("image verifier") && has("blocked pull"):
		return causes.SignatureRefused
	case has("not found", "manifest unknown", "name unknown", "does not exist", "no such manifest", "no match for platform"):
		return causes.ImageNotFound
	case has("unauthorized", "denied", "forbidden", "authorization failed"), deniedPattern.MatchString(words):
		return causes.PullDenied
	}
	return causes.PullFailed
}

// lineTrouble is what a running or ended container said about itself.
func lineTrouble(s *cluster.Snapshot, p *corev1.Pod, c corev1.ContainerStatus) (Trouble, bool) {
	said, found := s.Lines[podstate.RunOf(p, c)]
	if !found || c.Ready && !podstate.Unprobed(p, c.Name) {
		return Trouble{}, false
	}
	t := Trouble{Specific: true, Run: podstate.RunOf(p, c), Cause: record.Cause{
		Code: causes.LogPattern, Object: "Pod/" + p.Name, Container: c.Name, Reason: record.ReasonLog, Message: said.Text, MetLock: said.MetLock}}
	// A race at the first start heals by one restart; what a later run says again
	// does not heal.
	if said.Transient && c.RestartCount == 0 {
		t.Cause.Code = causes.LogPatternFirstRun
	}
	return t, true
}

// probeTrouble is a probe that fails while its budget lasts; the kubelet ends the
// container when it is used up.
func probeTrouble(s *cluster.Snapshot, p *corev1.Pod, c corev1.ContainerStatus) (Trouble, bool) {
	if c.State.Running == nil || c.Ready {
		return Trouble{}, false
	}
	e := s.Latest(p, c.Name, "Unhealthy")
	if e == nil || events.SeenAt(e).Before(c.State.Running.StartedAt.Time) {
		return Trouble{}, false
	}
	t := Trouble{Specific: true, Run: podstate.RunOf(p, c), Cause: record.Cause{
		Code: causes.ProbeFailing, Object: "Pod/" + p.Name, Container: c.Name, Reason: e.Reason, Message: wording.Shorten(e.Message)}}
	if kind, words := notRunnable(e.Message); words != "" && kind != "liveness" {
		t.Cause.Code, t.Cause.Message = causes.ProbeNotRunnable, fmt.Sprintf("its %s probe cannot be run, so that it never passes: %s", kind, words)
	}
	return t, true
}

// missingProgram are the words of runtimes for a program that a container does not have, or
// may not run, after those of the kubelet for a probe without an answer
// (pkg/kubelet/prober/prober.go): it does not count then, neither for nor against the container.
var missingProgram = regexp.MustCompile(`(Liveness|Readiness|Startup) probe errored.*?(exec: "[^"]*": (?:executable file not found in \$PATH|stat [^:]*: no such file or directory|permission denied)|exec: "[^"]*": no such file or directory)`)

// notRunnable reads of a probe's event which kind it is, in lower case, and which program is
// missing; "" for any other failure.
func notRunnable(message string) (kind, words string) {
	parts := missingProgram.FindStringSubmatch(message)
	if parts == nil {
		return "", ""
	}
	return strings.ToLower(parts[1]), parts[2]
}

// Unwatched is what is wrong with a container that is ready and that the kubelet will not
// restart when it hangs: its liveness probe cannot be run. "" for nothing.
func Unwatched(s *cluster.Snapshot, p *corev1.Pod, name string) string {
	for _, e := range s.ByUID[p.UID] {
		if e.Reason != "Unhealthy" || podstate.ContainerOf(e) != name {
			continue
		}
		if kind, words := notRunnable(e.Message); kind == "liveness" {
			return fmt.Sprintf("container %s: its liveness probe cannot be run, so that nobody notices when it hangs: %s", name, words)
		}
	}
	return ""
}
