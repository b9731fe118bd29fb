package rollout

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
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
		// The present log is that of the end while the container waits for its next
		// start; once it runs again the previous one is.
		said = wording.SignificantLine(lastLines(ctx, w.client, t.Run, false), lastLines(ctx, w.client, t.Run, true))
	}
	// The termination message may have said it already.
	if said != "" && !strings.Contains(t.Cause.Message, said) {
		t.Cause.Message = fmt.Sprintf("%s; it said: %s", t.Cause.Message, said)
	}
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
