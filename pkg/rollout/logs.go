package rollout

import (
	"bufio"
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
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

// container is one run of a container: another restart is another run.
type container struct {
	namespace, pod string
	uid            types.UID
	name           string
	restarts       int32
}

// logs follows the containers that are not ready, one request for each run. It
// notes the first line that matches a pattern, and keeps the last words for when
// the pod is gone.
type logs struct {
	client            kubernetes.Interface
	patterns, passing []*regexp.Regexp
	changed           func()

	mu   sync.Mutex
	runs map[container]*run
	live int
}

// run is what is known of the log of one run.
type run struct {
	stop  context.CancelFunc
	found line
	tail  []string
	bytes int
	done  chan struct{} // closed when nothing more is read
}

func newLogs(o Options) (*logs, error) {
	patterns, err := compile(o.LogPatterns)
	if err != nil {
		return nil, err
	}
	passing, err := compile(o.PassingPatterns)
	if err != nil {
		return nil, err
	}
	return &logs{client: o.Client, patterns: patterns, passing: passing, changed: func() {}, runs: map[container]*run{}}, nil
}

func compile(expressions []string) ([]*regexp.Regexp, error) {
	var all []*regexp.Regexp
	for _, e := range expressions {
		pattern, err := regexp.Compile(e)
		if err != nil {
			return nil, pipeline.BadInput("rollout/log-pattern-invalid", "log pattern %q: %w", e, err)
		}
		all = append(all, pattern)
	}
	return all, nil
}

// matched are the telling lines by run.
func (l *logs) matched() map[container]line {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := map[container]line{}
	for c, r := range l.runs {
		if r.found.text != "" {
			lines[c] = r.found
		}
	}
	return lines
}

// follow begins to read the runs that are new, and stops with containers that are
// no longer wanted: they are ready. An earlier run ends by itself.
func (l *logs) follow(ctx context.Context, wanted []container) {
	l.mu.Lock()
	defer l.mu.Unlock()
	speaking := map[life]bool{}
	for _, c := range wanted {
		speaking[life{c.uid, c.name}] = true
		if l.runs[c] != nil || l.live >= maxFollowed {
			continue
		}
		reading, stop := context.WithCancel(ctx)
		r := &run{stop: stop, done: make(chan struct{})}
		l.runs[c] = r
		l.live++
		go l.read(reading, c, r)
	}
	for c, r := range l.runs {
		if !speaking[life{c.uid, c.name}] {
			r.stop()
		}
	}
}

// read follows one run until it ends. A stream that breaks is asked for again, a
// few times.
func (l *logs) read(ctx context.Context, c container, r *run) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.live--
		r.stop()
		close(r.done)
	}()
	for range maxAttempts {
		err := l.stream(ctx, c, r)
		if err == nil || ctx.Err() != nil || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryPause):
		}
	}
}

func (l *logs) stream(ctx context.Context, c container, r *run) error {
	limit := int64(maxLogBytes)
	stream, err := l.client.CoreV1().Pods(c.namespace).GetLogs(c.pod, &corev1.PodLogOptions{Container: c.name, Follow: true, LimitBytes: &limit}).Stream(ctx)
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

// take keeps a line, and tells the judge when it is the first telling one. One that
// a restart may heal gives way to one that it does not.
func (l *logs) take(r *run, text string) {
	found, matches := l.match(text)
	l.mu.Lock()
	news := matches && (r.found.text == "" || r.found.passing && !found.passing)
	if news {
		r.found = found
	}
	if len(text) > maxLine*4 {
		text = shorten(text)
	}
	r.tail, r.bytes = append(r.tail, text), r.bytes+len(text)
	for len(r.tail) > tailLines || r.bytes > tailBytes && len(r.tail) > 1 {
		r.bytes -= len(r.tail[0])
		r.tail = r.tail[1:]
	}
	l.mu.Unlock()
	if news {
		l.changed()
	}
}

func (l *logs) match(text string) (line, bool) {
	match := func(p *regexp.Regexp) bool { return p.MatchString(text) }
	if !slices.ContainsFunc(l.patterns, match) && !wrongMachine.MatchString(text) {
		return line{}, false
	}
	return line{text: shorten(plain(text)), passing: slices.ContainsFunc(l.passing, match)}, true
}

// wrongMachine is the whole of what a container says whose program is for another
// architecture; a longer text would be an application that talks about it.
var wrongMachine = regexp.MustCompile(`^exec [^ ]+: ` + execFormat + `$`)

// words are the last lines of a run, or of the one before while it has said nothing.
// It waits a moment for a run that has ended and is still being read.
func (l *logs) words(ctx context.Context, c container) string {
	for restarts := c.restarts; restarts >= max(0, c.restarts-1); restarts-- {
		c.restarts = restarts
		l.mu.Lock()
		r := l.runs[c]
		l.mu.Unlock()
		if r == nil {
			continue
		}
		select {
		case <-r.done:
		case <-ctx.Done():
		case <-time.After(settleLog):
		}
		l.mu.Lock()
		text := strings.Join(r.tail, "\n")
		l.mu.Unlock()
		if text != "" {
			return text
		}
	}
	return ""
}

// settleLog is how long the last lines of a log may take to arrive.
const settleLog = 300 * time.Millisecond
