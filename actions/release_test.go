package actions_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mirror is a server with the assets of release 1.2.3, and a checkout of the actions
// that pins them. serve answers in its place as long as it says that it did.
type mirror struct {
	t       *testing.T
	actions string // folder of setup.sh
	archive []byte
	url     string

	mu       sync.Mutex
	requests []string // path and range
	serve    func(w http.ResponseWriter, r *http.Request, n int) bool
}

const releasedProgram = "#!/bin/sh\n[ \"$1\" = version ] && echo 'stagecrew 1.2.3' && exit\necho \"called $*\"\n"

// asset is the only one that tests ask for; the machine's own does not matter.
const asset = "stagecrew_1.2.3_linux_amd64"

func newMirror(t *testing.T) *mirror {
	t.Helper()
	m := &mirror{t: t, actions: filepath.Join(t.TempDir(), "actions", "setup"), archive: compress(t, releasedProgram)}
	require.NoError(t, os.MkdirAll(m.actions, 0o755))
	for _, name := range []string{"setup.sh", "exec.sh"} {
		content, err := os.ReadFile(filepath.Join("setup", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(m.actions, name), content, 0o755))
	}
	m.pin(hash([]byte(releasedProgram)), hash(m.archive))
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	m.url = server.URL
	return m
}

// pin writes what a commit of a release says of it.
func (m *mirror) pin(program, archive string) {
	m.t.Helper()
	sums := fmt.Sprintf("# a comment\n%s  stagecrew_1.2.3_darwin_arm64\n%s  %s\n%s  %s.gz\n", hash(nil), program, asset, archive, asset)
	require.NoError(m.t, os.WriteFile(filepath.Join(m.actions, "SHA256SUMS"), []byte(sums), 0o600))
	require.NoError(m.t, os.WriteFile(filepath.Join(m.actions, "VERSION"), []byte("1.2.3\n"), 0o600))
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.requests = append(m.requests, r.URL.Path+" "+r.Header.Get("Range"))
	n := len(m.requests)
	m.mu.Unlock()
	if m.serve != nil && m.serve(w, r, n) {
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(m.archive))
}

// run runs a script of the pinned actions; pauses are not waited for.
func (m *mirror) run(temp, script string, env ...string) (code int, out string) {
	m.t.Helper()
	tools := m.t.TempDir()
	require.NoError(m.t, os.WriteFile(filepath.Join(tools, "sleep"), []byte("#!/bin/sh\n"), 0o755))
	return bash(m.t, filepath.Join(m.actions, script), append([]string{
		"PATH=" + tools + ":" + os.Getenv("PATH"), "RUNNER_TEMP=" + temp, "GITHUB_OUTPUT=" + filepath.Join(temp, "output"),
		"RUNNER_OS=Linux", "RUNNER_ARCH=X64", "DOWNLOAD_URL=" + m.url + "/",
	}, env...))
}

// bash runs a script with an argument that exec.sh takes for the command.
func bash(t *testing.T, script string, env []string) (code int, out string) {
	t.Helper()
	shell, err := exec.LookPath("bash")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), shell, script, "deploy")
	cmd.Env = env
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(text)
	}
	require.NoError(t, err)
	return 0, string(text)
}

func compress(t *testing.T, program string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(program))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// refused holds that setup ended with one annotation and left nothing that could run.
func refused(t *testing.T, temp string, code int, out, why string) {
	t.Helper()
	require.Equal(t, 2, code, out)
	require.Equal(t, 1, strings.Count(out, "::error title=stagecrew setup::"), out)
	require.Contains(t, out, why)
	found, err := filepath.Glob(filepath.Join(temp, "stagecrew", "bin", "*", "*"))
	require.NoError(t, err)
	require.Empty(t, found, "nothing is left where actions look")
	left, err := filepath.Glob(filepath.Join(temp, "stagecrew", "setup.*"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing is left of the download")
	require.NoFileExists(t, filepath.Join(temp, "output"))
}

func TestSetupTakesTheReleaseOfItsCommit(t *testing.T) {
	m, temp := newMirror(t), t.TempDir()
	code, out := m.run(temp, "setup.sh")
	require.Zero(t, code, out)
	require.Equal(t, []string{"/v1.2.3/" + asset + ".gz "}, m.requests)
	outputs, err := os.ReadFile(filepath.Join(temp, "output"))
	require.NoError(t, err)
	require.Equal(t, "path="+temp+"/stagecrew/bin/1.2.3/stagecrew\nversion=1.2.3\nchecksum="+hash([]byte(releasedProgram))+"\n", string(outputs))
	code, out = m.run(temp, "exec.sh")
	require.Zero(t, code, out)
	require.Equal(t, "called deploy\n", out)

	code, out = m.run(temp, "setup.sh")
	require.Zero(t, code, out)
	require.Len(t, m.requests, 1, "what is there is not asked for again")
}

// trufflesecurity/trufflehog#4750 (404), getagentseal/codeburn#880 (500 of GitHub's
// storage), xability/maidr#854 (an error page that looks like a wrong checksum).
func TestSetupAsksAgain(t *testing.T) {
	cut := func(m *mirror, w http.ResponseWriter, part int) bool {
		w.Header().Set("Content-Length", fmt.Sprint(len(m.archive)))
		_, _ = w.Write(m.archive[:part])
		return true // the server ends the connection, because bytes are missing
	}
	for name, c := range map[string]struct {
		serve func(m *mirror, w http.ResponseWriter, r *http.Request, n int) bool
		want  []string // ranges
	}{
		"404 in the seconds after a release was published": {func(_ *mirror, w http.ResponseWriter, _ *http.Request, n int) bool {
			if n < 3 {
				w.WriteHeader(http.StatusNotFound)
			}
			return n < 3
		}, []string{"", "", ""}},
		"503 of a mirror": {func(_ *mirror, w http.ResponseWriter, _ *http.Request, n int) bool {
			if n == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return n == 1
		}, []string{"", ""}},
		"a connection that is cut goes on where it was": {func(m *mirror, w http.ResponseWriter, _ *http.Request, n int) bool {
			return n == 1 && cut(m, w, 30)
		}, []string{"", "bytes=30-"}},
		"cut, and the server knows no ranges": {func(m *mirror, w http.ResponseWriter, _ *http.Request, n int) bool {
			if n == 1 {
				return cut(m, w, 30)
			}
			_, _ = w.Write(m.archive)
			return true
		}, []string{"", "bytes=30-", ""}},
		"a proxy that gave an error page with 200": {func(_ *mirror, w http.ResponseWriter, _ *http.Request, n int) bool {
			if n == 1 {
				_, _ = w.Write([]byte("<html>"))
			}
			return n == 1
		}, []string{"", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			m, temp := newMirror(t), t.TempDir()
			m.serve = func(w http.ResponseWriter, r *http.Request, n int) bool { return c.serve(m, w, r, n) }
			code, out := m.run(temp, "setup.sh")
			require.Zero(t, code, out)
			var ranges []string
			for _, request := range m.requests {
				ranges = append(ranges, strings.TrimPrefix(request, "/v1.2.3/"+asset+".gz "))
			}
			require.Equal(t, c.want, ranges, out)
		})
	}
}

func TestSetupFailsClosed(t *testing.T) {
	body := func(content []byte) func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			_, _ = w.Write(content)
			return true
		}
	}
	evil := "#!/bin/sh\necho 'stagecrew 1.2.3'; touch \"$RUNNER_TEMP/ran\"\n"
	for name, c := range map[string]struct {
		arrange func(m *mirror)
		env     []string
		want    string
	}{
		"another archive":   {func(m *mirror) { m.serve = body(compress(m.t, evil)) }, nil, "is not what this commit of the actions wants"},
		"always half of it": {func(m *mirror) { m.serve = body(m.archive[:len(m.archive)/2]) }, nil, "is not what this commit of the actions wants"},
		"nothing":           {func(m *mirror) { m.serve = body(nil) }, nil, "is not what this commit of the actions wants"},
		"the archive of another file": {func(m *mirror) {
			m.archive = compress(m.t, evil)
			m.pin(hash([]byte(releasedProgram)), hash(m.archive))
		}, nil, "is not the one of this commit"},
		"never there": {func(m *mirror) {
			m.serve = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				w.WriteHeader(http.StatusNotFound)
				return true
			}
		}, nil, "did not come in 5 tries: curl: (22) The requested URL returned error: 404. Where github.com cannot be reached, give the input download-url"},
		"no server":                   {func(m *mirror) { m.url = "http://127.0.0.1:1" }, nil, "did not come in 5 tries: curl: (7)"},
		"Windows":                     {nil, []string{"RUNNER_OS=Windows"}, "there is no stagecrew for Windows: run this job on Linux"},
		"a processor without release": {nil, []string{"RUNNER_ARCH=ARM"}, "there is no stagecrew for the processor ARM"},
		"a commit without release": {func(m *mirror) {
			require.NoError(m.t, os.WriteFile(filepath.Join(m.actions, "SHA256SUMS"), []byte("# none\n"), 0o600))
		}, nil, "belongs to no release (the next one is 1.2.3), so no program is pinned: take the commit of a release; or set the input install to source"},
		"an address of a file":      {nil, []string{"DOWNLOAD_URL=file:///tmp"}, "input download-url: file:///tmp is no address https://"},
		"a mode that is none":       {nil, []string{"INSTALL=Source"}, "input install: Source is none of auto, release and source"},
		"a checksum of another one": {nil, []string{"BIN_SHA256=" + hash([]byte(evil))}, "input binary-checksum: the program has the checksum"},
		"a program of another system": {func(m *mirror) {
			other := "\x7fELF\x02\x01\x01 of another processor"
			m.archive = compress(m.t, other)
			m.pin(hash([]byte(other)), hash(m.archive))
		}, nil, "stagecrew does not run on this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			m, temp := newMirror(t), t.TempDir()
			if c.arrange != nil {
				c.arrange(m)
			}
			code, out := m.run(temp, "setup.sh", c.env...)
			refused(t, temp, code, out, c.want)
			require.NoFileExists(t, filepath.Join(temp, "ran"))
		})
	}
}

// A container may have neither; nothing may be taken for good then.
func TestWithoutAToolForChecksumsNothingIsTaken(t *testing.T) {
	m, temp, tools := newMirror(t), t.TempDir(), t.TempDir()
	for _, tool := range []string{"bash", "curl", "gzip", "dirname", "basename", "mkdir", "mktemp", "rm", "mv", "cp", "head", "tail", "chmod", "cut", "sleep"} {
		path, err := exec.LookPath(tool)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(tools, tool)))
	}
	code, out := m.run(temp, "setup.sh", "PATH="+tools)
	refused(t, temp, code, out, "neither sha256sum nor shasum is on this machine")
	require.Empty(t, m.requests)

	require.NoError(t, os.WriteFile(filepath.Join(tools, "shasum"), []byte("#!/bin/sh\n[ \"$*\" = '-a 256' ] && exec "+must(exec.LookPath("sha256sum"))+"\n"), 0o755))
	code, out = m.run(temp, "setup.sh", "PATH="+tools)
	require.Zero(t, code, out)
}

func must(path string, err error) string {
	if err != nil {
		panic(err)
	}
	return path
}

// The layout is that of actions/tool-cache, which its own programs clean. What others
// left there was wrong before: actions/setup-node#541, actions/setup-node#459.
func TestTheToolCacheIsLookedAtAgain(t *testing.T) {
	evil := "#!/bin/sh\ntouch \"$RUNNER_TEMP/ran\"\n"
	for name, c := range map[string]struct {
		plant    func(t *testing.T, folder string)
		requests int
	}{
		"kept by a job before": {func(*testing.T, string) {}, 0},
		"poisoned by another job": {func(t *testing.T, folder string) {
			t.Helper()
			require.NoError(t, os.WriteFile(filepath.Join(folder, "stagecrew"), []byte(evil), 0o755))
		}, 1},
		"without its mark, because a job was killed": {func(t *testing.T, folder string) {
			t.Helper()
			require.NoError(t, os.Remove(folder+".complete"))
		}, 1},
		"the mark alone": {func(t *testing.T, folder string) {
			t.Helper()
			require.NoError(t, os.RemoveAll(folder))
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m, cache := newMirror(t), t.TempDir()
			code, out := m.run(t.TempDir(), "setup.sh", "RUNNER_TOOL_CACHE="+cache)
			require.Zero(t, code, out)
			folder := filepath.Join(cache, "stagecrew", "1.2.3", "x64")
			require.FileExists(t, folder+".complete")
			c.plant(t, folder)

			m.requests = nil
			temp := t.TempDir()
			code, out = m.run(temp, "setup.sh", "RUNNER_TOOL_CACHE="+cache)
			require.Zero(t, code, out)
			require.Len(t, m.requests, c.requests, out)
			require.NoFileExists(t, filepath.Join(temp, "ran"))
			kept, err := os.ReadFile(filepath.Join(folder, "stagecrew"))
			require.NoError(t, err)
			require.Equal(t, releasedProgram, string(kept), "what was wrong is replaced")

			require.NoError(t, os.WriteFile(filepath.Join(folder, "stagecrew"), []byte(evil), 0o755))
			code, out = m.run(temp, "exec.sh")
			require.Zero(t, code, out)
			require.Equal(t, "called deploy\n", out, "another job cannot change the program of this one")
		})
	}
}

func TestAToolCacheThatCannotBeWrittenIsNone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("wants a folder that not even root can write")
	}
	m := newMirror(t)
	code, out := m.run(t.TempDir(), "setup.sh", "RUNNER_TOOL_CACHE=/proc/self")
	require.Zero(t, code, out)
	require.NotContains(t, out, "::error")
}

func TestTwoVersionsOfTheActionsHaveTheirOwnProgram(t *testing.T) {
	older, newer, temp := newMirror(t), newMirror(t), t.TempDir()
	program := strings.ReplaceAll(releasedProgram, "called", "the newer one called")
	newer.archive = compress(t, program)
	newer.pin(hash([]byte(program)), hash(newer.archive))
	require.NoError(t, os.WriteFile(filepath.Join(newer.actions, "VERSION"), []byte("1.3.0\n"), 0o600))
	sums, err := os.ReadFile(filepath.Join(newer.actions, "SHA256SUMS"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(newer.actions, "SHA256SUMS"), bytes.ReplaceAll(sums, []byte("1.2.3"), []byte("1.3.0")), 0o600))
	for _, m := range []*mirror{older, newer} {
		code, out := m.run(temp, "setup.sh")
		require.Zero(t, code, out)
	}
	_, out := older.run(temp, "exec.sh")
	require.Equal(t, "called deploy\n", out)
	_, out = newer.run(temp, "exec.sh")
	require.Equal(t, "the newer one called deploy\n", out)
}

// Only explicit settings replace what an earlier setup of the job left.
func TestAGivenProgramStaysUntilAnotherIsAskedFor(t *testing.T) {
	m, temp, given := newMirror(t), t.TempDir(), filepath.Join(t.TempDir(), "stagecrew")
	require.NoError(t, os.WriteFile(given, []byte("#!/bin/sh\necho \"given $*\"\n"), 0o755))
	for _, c := range []struct{ env, want string }{{"BINARY=" + given, "given deploy\n"}, {"BINARY=", "given deploy\n"}, {"INSTALL=release", "called deploy\n"}} {
		code, out := m.run(temp, "setup.sh", c.env)
		require.Zero(t, code, out)
		_, out = m.run(temp, "exec.sh")
		require.Equal(t, c.want, out, c.env)
	}
}

func TestAProgramThatDoesNotRunLeavesTheOneBefore(t *testing.T) {
	m, temp, bad := newMirror(t), t.TempDir(), filepath.Join(t.TempDir(), "stagecrew")
	require.NoError(t, os.WriteFile(bad, []byte("#!/bin/sh\necho '::error::no' >&2\nexit 1\n"), 0o755))
	code, out := m.run(temp, "setup.sh")
	require.Zero(t, code, out)
	code, out = m.run(temp, "setup.sh", "BINARY="+bad)
	require.Equal(t, 2, code)
	require.Equal(t, "::error title=stagecrew setup::stagecrew does not run on this machine, or in this container: ::error::no\n", out)
	_, out = m.run(temp, "exec.sh")
	require.Equal(t, "called deploy\n", out)
}
