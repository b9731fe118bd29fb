package rollout

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

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
		text, err = readLog(ctx, client, c, previous, lines)
		now, known := restarts(ctx, client, c)
		if !known || now <= present {
			return text, previous, err
		}
		present = now // what was read may be of either run
	}
}

// restarts is how often the container of a run has been started again by now, more than
// ever where another pod has its name.
func restarts(ctx context.Context, client kubernetes.Interface, c podstate.Run) (int32, bool) {
	pod, err := client.CoreV1().Pods(c.Namespace).Get(ctx, c.Pod, metav1.GetOptions{})
	if err != nil {
		return 0, false
	}
	all := podstate.Statuses(pod)
	i := slices.IndexFunc(all, func(s corev1.ContainerStatus) bool { return s.Name == c.Name })
	switch {
	case pod.UID != c.UID:
		return c.Restarts + 2, true
	case i < 0:
		return 0, false
	}
	return all[i].RestartCount, true
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
