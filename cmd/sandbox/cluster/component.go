package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// component is one process of the node.
type component struct {
	name string
	path string // the program; "" for one that is built into this binary
	args []string
	env  []string
	// before prepares each start, the first and those after an end; nil for nothing.
	before func() error
	ready  func(ctx context.Context) error // asked until it gives nil
}

// supervisor starts components and starts them again when they end.
type supervisor struct {
	node Node
	self string
	say  func(format string, args ...any)
	// kept counts the components that are kept running until life ends; that of a
	// node ends with its namespaces only.
	life context.Context //nolint:containedctx // as above
	kept sync.WaitGroup
}

// restartDelay is what a component that ended waits before its next start.
const restartDelay = time.Second

// up starts a component and waits until it is ready.
func (s *supervisor) up(ctx context.Context, c component) error {
	start := time.Now()
	if err := os.MkdirAll(s.node.Path("logs"), 0o755); err != nil {
		return err
	}
	died := make(chan error, 1)
	s.say("%s%s", lineStart, c.name)
	s.kept.Go(func() { s.keep(c, died) })
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := c.ready(attempt)
		cancel()
		if err == nil {
			s.done(c.name, start)
			return nil
		}
		select {
		case end := <-died:
			return fmt.Errorf("%s ended at its start: %w\n%s", c.name, end, s.node.tail(c.name))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", c.name, err, s.node.tail(c.name))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// keep runs the component again and again; the first end is reported to died.
func (s *supervisor) keep(c component, died chan<- error) {
	for s.life.Err() == nil {
		err := s.once(c)
		select {
		case died <- err:
		default:
		}
		select {
		case <-s.life.Done():
		case <-time.After(restartDelay):
		}
	}
}

func (s *supervisor) once(c component) error {
	log, err := os.OpenFile(s.node.log(c.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	if c.before != nil {
		if err := c.before(); err != nil {
			fmt.Fprintf(log, "before %s: %v\n", c.name, err)
			return err
		}
	}
	path := c.path
	if path == "" {
		path = s.self
	}
	cmd := exec.CommandContext(s.life, path, c.args...)
	cmd.Args[0] = c.name
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = s.node.Dir
	cmd.Env = []string{"PATH=" + s.node.Bin + ":" + os.Getenv("PATH"), "HOME=" + s.node.Dir, "TMPDIR=" + s.node.Path("tmp")}
	cmd.Env = append(cmd.Env, c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.note(c.name, cmd.Process.Pid)
	err = cmd.Wait()
	fmt.Fprintf(log, "%s ended: %v\n", c.name, err)
	if err == nil {
		return fmt.Errorf("exit status 0")
	}
	return err
}

// note keeps the process ids in components/NAME for `sandbox status`.
func (s *supervisor) note(name string, pid int) {
	if err := os.WriteFile(s.node.Path("components", name), fmt.Appendf(nil, "%d\n", pid), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "noting a process id:", err)
	}
}

func (n Node) log(name string) string { return n.Path("logs", name+".log") }

// tail gives the last lines of a component's log.
func (n Node) tail(name string) string {
	const lines, limit = 15, 16 << 10
	content, err := os.ReadFile(n.log(name))
	if err != nil {
		return err.Error()
	}
	content = content[max(0, len(content)-limit):]
	all := strings.Split(strings.TrimSpace(string(content)), "\n")
	return fmt.Sprintf("the end of %s:\n  %s", filepath.Base(n.log(name)), strings.Join(all[max(0, len(all)-lines):], "\n  "))
}
