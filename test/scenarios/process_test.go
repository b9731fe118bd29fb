package scenarios

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// runLimit ends a command that hangs; nothing should come near it.
const runLimit = 6 * time.Minute

// watchedLog keeps what a process writes and wakes whoever waits for words in it.
type watchedLog struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func newWatchedLog() *watchedLog { return &watchedLog{changed: make(chan struct{})} }

func (l *watchedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.text.Write(p)
}

// now gives the text so far and what is closed when there is more.
func (l *watchedLog) now() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String(), l.changed
}

// process is a command that runs.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	log     *watchedLog // stderr
	stdout  strings.Builder
	started time.Time
	ended   time.Time
	done    chan struct{} // closed at the end
	err     error
}

// start runs a program in a directory of its own.
func start(t *testing.T, program string, extraEnv []string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), runLimit)
	p := &process{t: t, log: newWatchedLog(), done: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, program, args...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = &p.stdout, p.log, t.TempDir()
	p.cmd.Env = append(os.Environ(), extraEnv...)
	p.started = time.Now()
	require.NoError(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		p.ended = time.Now()
		cancel()
		close(p.done)
	}()
	t.Cleanup(func() {
		cancel()
		<-p.done
	})
	return p
}

// says waits for words in the log; false when the process ended without them.
func (p *process) says(words *regexp.Regexp) bool {
	for {
		text, changed := p.log.now()
		if words.MatchString(text) {
			return true
		}
		select {
		case <-changed:
		case <-p.done:
			text, _ := p.log.now()
			return words.MatchString(text)
		}
	}
}

// reaches waits until the run is in a phase; false when it ended without.
func (p *process) reaches(phase string) bool {
	return p.says(regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d [a-z]+: ` + regexp.QuoteMeta(phase) + `$`))
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) signal(signal syscall.Signal) {
	err := p.cmd.Process.Signal(signal)
	if !errors.Is(err, os.ErrProcessDone) {
		require.NoError(p.t, err)
	}
}

// outcome is how a command ended.
type outcome struct {
	exit    int // -1 for one that was killed
	stdout  string
	stderr  string
	seconds float64
	record  record.Record // zero for one that was killed
}

// wait gives the outcome when the process has ended.
func (p *process) wait() outcome {
	p.t.Helper()
	<-p.done
	stderr, _ := p.log.now()
	o := outcome{exit: p.cmd.ProcessState.ExitCode(), stdout: p.stdout.String(), stderr: stderr, seconds: p.ended.Sub(p.started).Seconds()}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		require.NoError(p.t, p.err)
	}
	return o
}

// recorded is wait for a stagecrew command, which leaves a record on stdout.
func (p *process) recorded() outcome {
	p.t.Helper()
	o := p.wait()
	p.t.Logf("stagecrew %s: exit %d after %.1f s\n%s", p.cmd.Args[1], o.exit, o.seconds, o.stderr)
	if o.exit >= 0 {
		require.NoError(p.t, json.Unmarshal([]byte(o.stdout), &o.record), "stdout: %s", o.stdout)
	}
	return o
}

// phase gives one phase of the record, nil when the run did not get there.
func (o outcome) phase(name string) *record.Phase {
	for i := range o.record.Phases {
		if o.record.Phases[i].Name == name {
			return &o.record.Phases[i]
		}
	}
	return nil
}

// decided is when the first phase failed, in seconds from the begin of the run;
// 0 when none did.
func (o outcome) decided() float64 {
	for _, p := range o.record.Phases {
		if p.Result == "failed" {
			return p.End.Sub(o.record.Phases[0].Start).Seconds()
		}
	}
	return 0
}
