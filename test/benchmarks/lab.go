package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// lab is where the comparisons take place.
type lab struct {
	dir        string // temporary
	source     string // the example without its dependencies
	registry   string // the proxy that counts, HOST:PORT
	base       string // image that runs
	buildBase  string // image that builds: the same with npm
	conditions conditions
	pause      time.Duration

	npmrc  string // file, for an npm in an image
	shut   func()
	daemon *daemon // that keeps its state
	portal *portal // nil until it is built
	sent   atomic.Int64
	cpu    atomic.Int64 // nanoseconds that the measured programs took of the processors
	mark   string       // of this run, for names that no run before has used either
	next   int
}

// setting is a variable that the stage sets.
func setting(name string) string { return os.Getenv(name) }

// direct is the stage's registry itself, HOST:PORT.
func direct() string {
	host, _, _ := strings.Cut(setting("E2E_REPOSITORY"), "/")
	return host
}

func tool(name string) string { return filepath.Join(setting("BENCHMARK_TOOLS"), name) }

func open(ctx context.Context, o options) (*lab, error) {
	for _, name := range []string{"E2E_REPOSITORY", "BENCHMARK_TOOLS"} {
		if setting(name) == "" {
			return nil, fmt.Errorf("%s is not set: run make benchmarks", name)
		}
	}
	dir, err := os.MkdirTemp("", "stagecrew-benchmarks-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, pause: o.pause, source: filepath.Join(dir, "source"), mark: strconv.FormatInt(time.Now().UnixMilli(), 36), shut: func() {}}
	if err := l.furnish(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) furnish(ctx context.Context) (err error) {
	root := setting("E2E_ROOT")
	if l.conditions, err = conditionsOf(ctx, root); err != nil {
		return err
	}
	if err := copySource(filepath.Join(root, "examples", "minimal"), l.source); err != nil {
		return fmt.Errorf("copying the example: %w", err)
	}
	for _, name := range []string{"Dockerfile", ".dockerignore"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(l.source, name), text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	// Without the variable npm trusts what it brings along, in the build as well.
	authorities, err := os.ReadFile(os.Getenv("NODE_EXTRA_CA_CERTS"))
	if err != nil {
		authorities = nil
	}
	l.npmrc = filepath.Join(l.dir, "npmrc")
	if err := os.WriteFile(l.npmrc, []byte(npmrc(authorities)), 0o600); err != nil {
		return err
	}
	if err := l.serve(ctx); err != nil {
		return fmt.Errorf("starting the proxy that counts: %w", err)
	}
	l.base = strings.Replace(setting("E2E_BASE_IMAGE"), direct(), l.registry, 1)
	if l.buildBase, err = l.withNPM(ctx); err != nil {
		return fmt.Errorf("making an image with npm: %w", err)
	}
	return nil
}

// copySource copies a workspace without the dependencies that a developer may have
// installed in it.
func copySource(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(to, "node_modules"))
}

func (l *lab) close() {
	if l.daemon != nil {
		l.daemon.stop()
	}
	l.shut()
	_ = os.RemoveAll(l.dir)
}

// fresh is a name that was not used before, not by another run either: a registry
// that was kept would have the very bytes already.
func (l *lab) fresh(what string) string {
	l.next++
	return fmt.Sprintf("%s-%s-%d", what, l.mark, l.next)
}

// repository is one that has nothing yet.
func (l *lab) repository(what string) string {
	return l.registry + "/benchmarks/" + l.fresh(what)
}

// home is a new home directory: no cache of npm or of anything else.
func (l *lab) home() (string, error) {
	home := filepath.Join(l.dir, l.fresh("home"))
	return home, os.Mkdir(home, 0o750)
}

// change makes another version of the application, as a commit of code does.
func (l *lab) change() error {
	file := filepath.Join(l.source, "packages", "backend", "dist", "index.cjs.js")
	out, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "// %s\n", l.fresh("change"))
	return errors.Join(err, out.Close())
}

// surroundings are what a program finds: a home of its own, a folder, further variables.
type surroundings struct {
	home, dir string
	variables []string
}

// command runs a program with a home of its own and gives its output.
func (l *lab) command(ctx context.Context, home, program string, args ...string) ([]byte, error) {
	return l.in(ctx, surroundings{home: home, dir: l.dir}, program, args...)
}

func (l *lab) in(ctx context.Context, s surroundings, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var words strings.Builder
	cmd.Stderr, cmd.Dir = &words, s.dir
	cmd.Env = slices.Concat(os.Environ(), []string{"HOME=" + s.home, "XDG_CACHE_HOME=" + filepath.Join(s.home, "cache"), "npm_config_cache=" + filepath.Join(s.home, "npm"),
		"BUILDX_CONFIG=" + filepath.Join(l.dir, "buildx"), "STAGECREW_INSECURE_REGISTRY=" + l.registry}, s.variables)
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, time.Minute
	out, err := cmd.Output()
	if cmd.ProcessState != nil {
		l.cpu.Add(int64(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()))
	}
	if err != nil {
		return out, fmt.Errorf("running %s %s: %w\n%s", filepath.Base(program), args[0], err, end(words.String()))
	}
	return out, nil
}

// stagecrew runs the program and reads its record.
func (l *lab) stagecrew(ctx context.Context, s surroundings, args ...string) (record.Record, error) {
	var rec record.Record
	s.dir = l.dir
	out, err := l.in(ctx, s, setting("E2E_STAGECREW"), append(args, "--output", "json")...)
	if err != nil {
		return rec, err
	}
	return rec, json.Unmarshal(out, &rec)
}

// end is what of a long text is likely to say why.
func end(text string) string { return text[max(0, len(text)-3000):] }
