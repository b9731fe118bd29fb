package rollout

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

const (
	// maxLogBytes bounds what is read of one container's log.
	maxLogBytes = 4 << 20
	// maxLine bounds a message, in characters.
	maxLine = 500
	// explainTimeout bounds the reading of a log for an explanation.
	explainTimeout = 5 * time.Second
	explainLines   = 40
)

// container is one run of a container: another restart is another run.
type container struct {
	namespace, pod, name string
	restarts             int32
}

// logs follows the logs of containers that are not ready and notes the first
// line that matches a pattern.
type logs struct {
	client   kubernetes.Interface
	patterns []*regexp.Regexp
	passing  []*regexp.Regexp
	state    *logState
}

type logState struct {
	mu       sync.Mutex
	followed map[container]bool
	lines    map[container]string
}

func newLogs(client kubernetes.Interface) logs {
	return logs{client: client, state: &logState{followed: map[container]bool{}, lines: map[container]string{}}}
}

func (l logs) matched() map[container]string {
	l.state.mu.Lock()
	defer l.state.mu.Unlock()
	lines := make(map[container]string, len(l.state.lines))
	for c, line := range l.state.lines {
		lines[c] = line
	}
	return lines
}

// follow begins to read the log of each running container that is not yet ready.
func (w *watch) follow(ctx context.Context, containers []container) {
	if len(w.logs.patterns) == 0 {
		return
	}
	for _, c := range containers {
		w.logs.state.mu.Lock()
		known := w.logs.state.followed[c]
		w.logs.state.followed[c] = true
		w.logs.state.mu.Unlock()
		if !known {
			go w.read(ctx, c)
		}
	}
}

func (w *watch) read(ctx context.Context, c container) {
	limit := int64(maxLogBytes)
	stream, err := w.client.CoreV1().Pods(c.namespace).GetLogs(c.pod, &corev1.PodLogOptions{Container: c.name, Follow: true, LimitBytes: &limit}).Stream(ctx)
	if apierrors.IsForbidden(err) {
		return // asking again would not help
	}
	if err != nil {
		// The log may not be there yet; a later look tries again.
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
		w.logs.state.mu.Lock()
		delete(w.logs.state.followed, c)
		w.logs.state.mu.Unlock()
		return
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if line := lines.Text(); w.logs.matches(line) {
			w.logs.state.mu.Lock()
			w.logs.state.lines[c] = shorten(plain(line))
			w.logs.state.mu.Unlock()
			select {
			case w.changed <- struct{}{}:
			default:
			}
			return
		}
	}
}

func (l logs) matches(line string) bool {
	match := func(p *regexp.Regexp) bool { return p.MatchString(line) }
	return slices.ContainsFunc(l.patterns, match) && !slices.ContainsFunc(l.passing, match)
}

// crashCodes are the causes that the log of the ended container explains.
var crashCodes = map[string]bool{codeCrash: true, codeOOM: true, codeTimeout: true}

// explain adds to a crash what the container said before it ended. The present
// log is that of the crash while the container waits for its next start; once it
// runs again the previous one is.
func (w *watch) explain(ctx context.Context, cause *pipeline.Cause) {
	pod, isPod := strings.CutPrefix(cause.Object, "Pod/")
	if !isPod || cause.Container == "" || !crashCodes[cause.Code] {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	var all []string
	namespaces := map[string]bool{}
	for _, workload := range w.workloads {
		if namespaces[workload.Namespace] {
			continue
		}
		namespaces[workload.Namespace] = true
		for _, previous := range []bool{false, true} {
			all = append(all, w.lastWords(ctx, workload.Namespace, pod, cause.Container, previous))
		}
	}
	// The termination message may have said it already.
	if line := telling(all...); line != "" && !strings.Contains(cause.Message, line) {
		cause.Message = fmt.Sprintf("%s; it said: %s", cause.Message, line)
	}
}

// lastWords gives the end of a log, "" when it cannot be read.
func (w *watch) lastWords(ctx context.Context, namespace, pod, name string, previous bool) string {
	tail, limit := int64(explainLines), int64(maxLogBytes)
	options := &corev1.PodLogOptions{Container: name, Previous: previous, TailLines: &tail, LimitBytes: &limit}
	stream, err := w.client.CoreV1().Pods(namespace).GetLogs(pod, options).Stream(ctx)
	if err != nil {
		return ""
	}
	defer stream.Close()
	content, err := io.ReadAll(io.LimitReader(stream, maxLogBytes))
	if err != nil {
		return ""
	}
	return string(content)
}

var (
	// errorLine looks like the line that names an error.
	errorLine = regexp.MustCompile(`(?i)(\b\w*error\b|exception|fatal|panic|cannot|denied|refused|not found)`)
	// kubeletLine is what the kubelet writes in place of a log that is gone.
	kubeletLine = regexp.MustCompile(`^(failed to try resolving symlinks in path|unable to retrieve container logs for|failed to open log file)`)
)

// telling gives the first line that looks like an error, else the last line of
// the first log that has one.
func telling(logs ...string) string {
	last := ""
	for _, log := range logs {
		end := ""
		for line := range strings.Lines(log) {
			line = strings.TrimSpace(line)
			if line == "" || kubeletLine.MatchString(line) {
				continue
			}
			if errorLine.MatchString(line) {
				return shorten(plain(line))
			}
			end = plain(line)
		}
		if last == "" {
			last = end
		}
	}
	return shorten(last)
}

// plain gives the message of a line that a program logs as a JSON object.
func plain(line string) string {
	var entry struct{ Message string }
	if err := json.Unmarshal([]byte(line), &entry); err == nil && entry.Message != "" {
		return entry.Message
	}
	return line
}

// shorten leaves out the middle of a long text: a message begins with what was
// tried and ends with what went wrong.
func shorten(text string) string {
	text = strings.ToValidUTF8(strings.TrimSpace(text), "?")
	runes := []rune(text)
	if len(runes) <= maxLine {
		return text
	}
	return string(runes[:maxLine/3]) + " … " + string(runes[len(runes)-maxLine*2/3:])
}
