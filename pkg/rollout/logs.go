package rollout

import (
	"bufio"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

const (
	// maxLogBytes bounds what is read of one container's log.
	maxLogBytes = 4 << 20
	// maxFollowed bounds how many logs are followed at once.
	maxFollowed = 32
	// maxAttempts bounds how often the log of one run is asked for.
	maxAttempts = 4
	// tailLines and tailBytes bound what is kept of a log.
	tailLines, tailBytes = 40, 16 << 10
)

// logs follows the containers that are not ready, one request for each run. It
// notes the first line that matches a pattern, and keeps the last words for when
// the pod is gone.
type logs struct {
	client            kubernetes.Interface
	patterns, passing []*regexp.Regexp
	changed           func()
	guarded           func(func())

	mu   sync.Mutex
	runs map[podstate.Run]*run
	live int
}

// run is what is known of the log of one run.
type run struct {
	stop  context.CancelFunc
	found cluster.Line
	tail  []string
	bytes int
	done  chan struct{} // closed when nothing more is read
	ended bool          // the log was read to its end
}

func newLogs(o Options) (*logs, error) {
	patterns, err := ParsePatterns(o.LogPatterns)
	if err != nil {
		return nil, err
	}
	passing, err := ParsePatterns(o.PassingPatterns)
	if err != nil {
		return nil, err
	}
	return &logs{client: o.Client, patterns: patterns, passing: passing, changed: func() {}, guarded: func(work func()) { work() }, runs: map[podstate.Run]*run{}}, nil
}

// ParsePatterns reads Options.LogPatterns and PassingPatterns, each a regular
// expression.
func ParsePatterns(expressions []string) ([]*regexp.Regexp, error) {
	var all []*regexp.Regexp
	for _, e := range expressions {
		pattern, err := regexp.Compile(e)
		if err != nil {
			return nil, record.BadInput("rollout/log-pattern-invalid", "log pattern %q: %w", e, err)
		}
		all = append(all, pattern)
	}
	return all, nil
}

// matched are the lines that matched a pattern, by run.
func (l *logs) matched() map[podstate.Run]cluster.Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := map[podstate.Run]cluster.Line{}
	for c, r := range l.runs {
		if r.found.Text != "" {
			lines[c] = r.found
		}
	}
	return lines
}

// follow begins to read the runs that are new, and stops with containers that are
// no longer wanted: they are ready. An earlier run ends by itself.
func (l *logs) follow(ctx context.Context, wanted []podstate.Run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	speaking := map[podstate.ContainerID]bool{}
	for _, c := range wanted {
		speaking[c.ID()] = true
		if l.runs[c] != nil || l.live >= maxFollowed {
			continue
		}
		reading, stop := context.WithCancel(ctx)
		r := &run{stop: stop, done: make(chan struct{})}
		l.runs[c] = r
		l.live++
		go l.guarded(func() { l.read(reading, c, r) })
	}
	for c, r := range l.runs {
		if !speaking[c.ID()] {
			r.stop()
		}
	}
}

// read follows one run until it ends. A stream that breaks is asked for again, a
// few times.
func (l *logs) read(ctx context.Context, c podstate.Run, r *run) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.live--
		r.stop()
		close(r.done)
	}()
	for range maxAttempts {
		err := l.stream(ctx, c, r)
		if ctx.Err() != nil || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
			return
		}
		if err == nil {
			l.mu.Lock()
			r.ended = true
			l.mu.Unlock()
			return
		}
		if retry.Sleep(ctx, retryPause) != nil {
			return
		}
	}
}

func (l *logs) stream(ctx context.Context, c podstate.Run, r *run) error {
	limit := int64(maxLogBytes)
	stream, err := l.client.CoreV1().Pods(c.Namespace).GetLogs(c.Pod, &corev1.PodLogOptions{Container: c.Name, Follow: true, LimitBytes: &limit}).Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	l.mu.Lock()
	r.tail, r.bytes = nil, 0
	l.mu.Unlock()
	lines := bufio.NewReaderSize(stream, 64<<10)
	for {
		// A line longer than the buffer comes in pieces; each is judged for itself.
		piece, err := lines.ReadSlice('\n')
		if len(piece) > 0 {
			l.take(r, strings.TrimRight(string(piece), "\r\n"))
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}
