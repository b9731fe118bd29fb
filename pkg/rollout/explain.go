package rollout

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

const (
	// explainTimeout bounds the reading of logs for an explanation.
	explainTimeout = 5 * time.Second
	explainLines   = 40
)

// explain adds to a cause what its container said last.
func (w *watch) explain(ctx context.Context, t *detect.Trouble) {
	if !causes.Of(t.Cause.Code).Log || t.Run.Name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	said := wording.SignificantLine(w.logs.tailOf(ctx, t.Run))
	if said == "" {
		said = wording.SignificantLine(w.ends(ctx, t.Run)...)
	}
	// The termination message may have said it already.
	if said != "" && !strings.Contains(t.Cause.Message, said) {
		t.Cause.Message = fmt.Sprintf("%s; it said: %s", t.Cause.Message, said)
	}
}

// ends are the logs that can hold the last words of a run: the present one and the one
// before, or that one alone once the container runs again.
func (w *watch) ends(ctx context.Context, c podstate.Run) []string {
	previous := lastLines(ctx, w.client, c, true)
	pod, err := w.client.CoreV1().Pods(c.Namespace).Get(ctx, c.Pod, metav1.GetOptions{})
	if err == nil && slices.ContainsFunc(podstate.Statuses(pod), func(s corev1.ContainerStatus) bool {
		return s.Name == c.Name && s.RestartCount > c.Restarts
	}) {
		return []string{previous}
	}
	return []string{lastLines(ctx, w.client, c, false), previous}
}

// lastLines gives the end of a log, "" when it cannot be read.
func lastLines(ctx context.Context, client kubernetes.Interface, c podstate.Run, previous bool) string {
	text, _ := readLog(ctx, client, c, previous, explainLines)
	return text
}

// readLog reads the last lines of a log.
func readLog(ctx context.Context, client kubernetes.Interface, c podstate.Run, previous bool, lines int64) (string, error) {
	limit := int64(maxTail)
	options := &corev1.PodLogOptions{Container: c.Name, Previous: previous, TailLines: &lines, LimitBytes: &limit}
	stream, err := client.CoreV1().Pods(c.Namespace).GetLogs(c.Pod, options).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	content, err := io.ReadAll(io.LimitReader(stream, limit))
	if err != nil {
		return "", err
	}
	return strings.ToValidUTF8(string(content), "?"), nil
}
