package rollout

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// explainTimeout bounds the reading of logs for an explanation.
	explainTimeout = 5 * time.Second
	explainLines   = 40
)

// explain adds to a cause what its container said last.
func (w *watch) explain(ctx context.Context, t *trouble) {
	if !rows[t.cause.Code].log || t.run.name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	said := significantLine(w.logs.tailOf(ctx, t.run))
	if said == "" {
		// The present log is that of the end while the container waits for its next
		// start; once it runs again the previous one is.
		said = significantLine(lastLines(ctx, w.client, t.run, false), lastLines(ctx, w.client, t.run, true))
	}
	// The termination message may have said it already.
	if said != "" && !strings.Contains(t.cause.Message, said) {
		t.cause.Message = fmt.Sprintf("%s; it said: %s", t.cause.Message, said)
	}
}

// lastLines gives the end of a log, "" when it cannot be read.
func lastLines(ctx context.Context, client kubernetes.Interface, c container, previous bool) string {
	text, _ := readLog(ctx, client, c, previous, explainLines)
	return text
}

// readLog reads the last lines of a log.
func readLog(ctx context.Context, client kubernetes.Interface, c container, previous bool, lines int64) (string, error) {
	limit := int64(maxTail)
	options := &corev1.PodLogOptions{Container: c.name, Previous: previous, TailLines: &lines, LimitBytes: &limit}
	stream, err := client.CoreV1().Pods(c.namespace).GetLogs(c.pod, options).Stream(ctx)
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
