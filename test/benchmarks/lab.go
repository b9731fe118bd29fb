package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// lab is where the comparisons take place.
type lab struct {
	dir       string // temporary
	source    string // the example without its dependencies
	registry  string // HOST:PORT to push to, as a rule that of proxied
	proxied   string // the proxy before the stage's registry, HOST:PORT
	base      string // image that runs
	buildBase string // image that builds: the same with npm
	tools     string
	server    *http.Server
	daemon    *daemon // that keeps its state
	sent      atomic.Int64
	took      time.Duration // of the last run, when it is not that of its process
	next      int           // for names that were not used yet
}

// direct is the stage's registry itself, HOST:PORT.
func direct() string {
	host, _, _ := strings.Cut(setting("E2E_REPOSITORY"), "/")
	return host
}

// setting is a variable that the stage sets.
func setting(name string) string { return os.Getenv(name) }

func open(ctx context.Context) (*lab, error) {
	if setting("E2E_REPOSITORY") == "" {
		return nil, errors.New("there is no stage: run make benchmarks")
	}
	dir, err := os.MkdirTemp("", "stagecrew-benchmarks-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, tools: setting("BENCHMARK_TOOLS"), source: filepath.Join(dir, "source")}
	if err := os.CopyFS(l.source, os.DirFS(filepath.Join(setting("E2E_ROOT"), "examples", "backstage"))); err != nil {
		return nil, err
	}
	// The example of a developer may have its dependencies installed.
	for _, name := range []string{"Dockerfile", ".dockerignore"} {
		text, err := os.ReadFile(filepath.Join(setting("E2E_ROOT"), name))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(l.source, name), text, 0o644); err != nil {
			return nil, err
		}
	}
	if err := l.serve(ctx); err != nil {
		return nil, err
	}
	l.base = strings.Replace(setting("E2E_BASE_IMAGE"), direct(), l.registry, 1)
	l.buildBase, err = l.withNPM(ctx)
	return l, err
}

func (l *lab) close() {
	if l.daemon != nil {
		l.daemon.stop()
	}
	if l.server != nil {
		_ = l.server.Close()
	}
	_ = os.RemoveAll(l.dir)
}

// serve starts the proxy that counts what is sent to the registry.
func (l *lab) serve(ctx context.Context) error {
	host := direct()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: host})
		},
		ModifyResponse: func(r *http.Response) error {
			if location := r.Header.Get("Location"); location != "" {
				r.Header.Set("Location", strings.Replace(location, "https://"+host, "http://"+l.proxied, 1))
			}
			return nil
		},
		FlushInterval: -1,
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	l.proxied = listener.Addr().String()
	l.registry = l.proxied
	l.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = &counted{r.Body, &l.sent}
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = l.server.Serve(listener) }()
	return nil
}

type counted struct {
	io.ReadCloser
	to *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.to.Add(int64(n))
	return n, err
}

// fresh is a name that was not used before.
func (l *lab) fresh(what string) string {
	l.next++
	return fmt.Sprintf("%s-%d", what, l.next)
}

// home is a new home directory: no cache of npm or of anything else.
func (l *lab) home() (string, error) {
	home := filepath.Join(l.dir, l.fresh("home"))
	return home, os.Mkdir(home, 0o755)
}

// change makes another version of the application, as a commit of code does.
func (l *lab) change() error {
	file := filepath.Join(l.source, "packages", "backend", "dist", "index.cjs.js")
	text, err := os.ReadFile(filepath.Join(setting("E2E_ROOT"), "examples", "backstage", "packages", "backend", "dist", "index.cjs.js"))
	if err != nil {
		return err
	}
	return os.WriteFile(file, fmt.Appendf(text, "\n// change %s\n", l.fresh("number")), 0o644)
}

// command runs a program with a home of its own and gives its output.
func (l *lab) command(ctx context.Context, home string, environment []string, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var words strings.Builder
	cmd.Stderr, cmd.Dir = &words, l.dir
	cmd.Env = append(append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "npm_config_cache="+filepath.Join(home, ".npm")), environment...)
	out, err := cmd.Output()
	if err != nil {
		text := words.String()
		return out, fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), args[0], err, text[max(0, len(text)-3000):])
	}
	return out, nil
}

// stagecrew runs the program and reads its record.
func (l *lab) stagecrew(ctx context.Context, home string, args ...string) (pipeline.Record, error) {
	var record pipeline.Record
	out, err := l.command(ctx, home, nil, setting("E2E_STAGECREW"), append(args, "--output", "json")...)
	if err != nil {
		return record, err
	}
	return record, json.Unmarshal(out, &record)
}

func (l *lab) tool(name string) string { return filepath.Join(l.tools, name) }
