package rollout

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// errRunGone means that a log is kept no more: a container has two, that of its present
// run and that of the one before.
var errRunGone = errors.New("the log of the run is kept no more: its container has been started again")

// runLog gives the end of the log of exactly one run. present is how often its container
// had been started again when it was last looked at, which may be a while ago: when it has
// been meanwhile, what is called the present log is that of another run
// (https://github.com/cozystack/cozystack/pull/3346). previous reports whether it was
// the log before the present one in the end.
func runLog(ctx context.Context, client kubernetes.Interface, c podstate.Run, present int32, lines int64) (text string, previous bool, err error) {
	for {
		if present > c.Restarts+1 {
			return "", true, errRunGone
		}
		previous = present > c.Restarts
		found, err := readLog(ctx, client, c, previous, lines)
		now, known := presentRun(ctx, client, c)
		if known && now.restarts > present {
			present = now.restarts // what was read may be of either run
			continue
		}
		if known && !previous && now.over(found.began) {
			// The node has started it again, and the pod does not say so yet.
			if earlier, err := readLog(ctx, client, c, true, lines); err == nil {
				return earlier.text, true, nil
			}
		}
		return found.text, previous, err
	}
}

// presence is what a pod says of a container.
type presence struct {
	restarts int32     // how often it has been started again
	ended    time.Time // zero for one that runs
}

// over reports whether the run had ended before something was logged. Pods tell the second
// in which it did.
func (p presence) over(logged time.Time) bool {
	return !p.ended.IsZero() && logged.Sub(p.ended) > time.Second
}

// presentRun is what is said of the container of a run by now: it was started more often than
// ever where another pod has its name.
func presentRun(ctx context.Context, client kubernetes.Interface, c podstate.Run) (now presence, known bool) {
	pod, err := client.CoreV1().Pods(c.Namespace).Get(ctx, c.Pod, metav1.GetOptions{})
	if err != nil {
		return presence{}, false
	}
	all := podstate.Statuses(pod)
	i := slices.IndexFunc(all, func(s corev1.ContainerStatus) bool { return s.Name == c.Name })
	switch {
	case pod.UID != c.UID:
		return presence{restarts: c.Restarts + 2}, true
	case i < 0:
		return presence{}, false
	}
	now.restarts = all[i].RestartCount
	if exit := podstate.LastExit(all[i]); exit != nil && all[i].State.Running == nil {
		now.ended = exit.FinishedAt.Time
	}
	return now, true
}

// logEnd is the end of a log, and when its first line was written: zero where that is not said.
type logEnd struct {
	text  string
	began time.Time
}

// readLog reads the last lines of a log.
func readLog(ctx context.Context, client kubernetes.Interface, c podstate.Run, previous bool, lines int64) (logEnd, error) {
	limit := int64(maxTail)
	options := &corev1.PodLogOptions{Container: c.Name, Previous: previous, TailLines: &lines, LimitBytes: &limit, Timestamps: true}
	stream, err := client.CoreV1().Pods(c.Namespace).GetLogs(c.Pod, options).Stream(ctx)
	if err != nil {
		return logEnd{}, err
	}
	defer stream.Close()
	content, err := io.ReadAll(io.LimitReader(stream, limit))
	if err != nil {
		return logEnd{}, err
	}
	return unstamped(strings.ToValidUTF8(string(content), "?")), nil
}

// unstamped takes the times off the lines of a log. A line without one, such as the kubelet's
// word that there is no log, stays as it is.
func unstamped(log string) (end logEnd) {
	var text strings.Builder
	for line := range strings.Lines(log) {
		stamp, rest, found := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if !found || err != nil {
			text.WriteString(line)
			continue
		}
		if end.began.IsZero() {
			end.began = at
		}
		text.WriteString(rest)
	}
	end.text = text.String()
	return end
}
