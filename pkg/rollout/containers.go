package rollout

import (
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// waitingCodes are the reasons why a container waits that need no further reading.
var waitingCodes = map[string]string{
	"InvalidImageName":           codeInvalidName,
	"ErrImageNeverPull":          codeNeverPull,
	"ImageInspectError":          codeInspect,
	"SignatureValidationFailed":  codeSignature,
	"ImageVolumeMountFailed":     codeImageVolume,
	"RROUnsupported":             codeImageVolume,
	"CreateContainerConfigError": codeConfig,
	"CreateContainerError":       codeCreate,
	"PreCreateHookError":         codeCreate,
	"PreStartHookError":          codeCreate,
}

// waitingTrouble is why a container cannot be made, by its status. After an init
// container the kubelet writes that down only with its next sync, 10 to 15 s
// later, but sends the event at once: a young event stands in for the status.
func waitingTrouble(s *snapshot, p *corev1.Pod, c corev1.ContainerStatus) (trouble, bool) {
	if c.State.Waiting == nil {
		return trouble{}, false
	}
	reason, message := c.State.Waiting.Reason, c.State.Waiting.Message
	if creating(c) {
		if reason, message = hint(s, p, c.Name); reason == "" {
			return trouble{}, false
		}
	}
	t := trouble{specific: true, run: containerKey(p, c), cause: record.Cause{
		Object: "Pod/" + p.Name, Container: c.Name, Reason: reason, Message: shorten(message)}}
	switch reason {
	case "ErrImagePull", "ImagePullBackOff", "RegistryUnavailable":
		t.cause.Code, t.specific = pullCode(message), true
		t.specific = t.cause.Code != codePull || reason != "ImagePullBackOff"
	default:
		t.cause.Code = waitingCodes[reason]
	}
	return t, t.cause.Code != "" && !lagging(message)
}

// creating reports whether nothing is known yet about a container.
func creating(c corev1.ContainerStatus) bool {
	w := c.State.Waiting
	return w != nil && (w.Reason == "ContainerCreating" || w.Reason == "PodInitializing" || w.Reason == "")
}

// lagging: the kubelet's own cache may not have an object yet that is there.
func lagging(message string) bool {
	return strings.Contains(message, "failed to sync") && strings.Contains(message, "cache")
}

// maxHintAge is how old an event may be that stands in for a status.
const maxHintAge = 30 * time.Second

// missingWords are the kubelet's words for what CreateContainerConfigError will say.
var missingWords = regexp.MustCompile(`(?i)(secret|configmap) ".*" not found|couldn't find key`)

// hint reads a status from the newest event that has one.
func hint(s *snapshot, p *corev1.Pod, name string) (reason, message string) {
	var last time.Time
	for _, e := range s.byUID[p.UID] {
		at := seenAt(e)
		if containerOf(e) != name || s.now.Sub(at) > maxHintAge || at.Before(last) {
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
		if words, ok := strings.CutPrefix(e.Message, "Error: "); ok && missingWords.MatchString(words) {
			return "CreateContainerConfigError", words
		}
	}
	return "", ""
}

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
		return codePull // Docker Hub says so with "denied" beside it
	case has("may require authorization"):
		return codeDenied
	case has("signature") && has("validation failed", "rejected", "not valid"):
		return codeSignature
	case has("not found", "manifest unknown", "name unknown", "does not exist", "no such manifest", "no match for platform"):
		return codeNotFound
	case has("unauthorized", "denied", "forbidden", "authorization failed"), deniedPattern.MatchString(words):
		return codeDenied
	}
	return codePull
}

// lineTrouble is what a running or ended container said about itself.
func lineTrouble(s *snapshot, p *corev1.Pod, c corev1.ContainerStatus) (trouble, bool) {
	said, found := s.lines[containerKey(p, c)]
	if !found || c.Ready && !unprobed(p, c.Name) {
		return trouble{}, false
	}
	t := trouble{specific: true, run: containerKey(p, c), cause: record.Cause{
		Code: codeLogPattern, Object: "Pod/" + p.Name, Container: c.Name, Reason: "Log", Message: said.text}}
	// A race at the first start heals by one restart; what a later run says again
	// does not heal.
	if said.transient && c.RestartCount == 0 {
		t.cause.Code = codeLogTransient
	}
	return t, true
}

// containerKey names the present run of a container.
func containerKey(p *corev1.Pod, c corev1.ContainerStatus) container {
	return container{p.Namespace, p.Name, p.UID, c.Name, c.RestartCount}
}
