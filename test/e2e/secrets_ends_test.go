package e2e

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// running is a command and what it has written to stderr so far.
type running struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	text strings.Builder
}

func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *running) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// signals sends them, half a second apart, a while after the log has come to a phase.
func signals(t *testing.T, phase string, after time.Duration, all ...syscall.Signal) func(*running) {
	return func(r *running) {
		require.Eventually(t, func() bool { return strings.Contains(r.String(), ": "+phase+"\n") }, time.Minute, 50*time.Millisecond, "the run never came to %s", phase)
		time.Sleep(after)
		for _, signal := range all {
			require.NoError(t, r.cmd.Process.Signal(signal))
			time.Sleep(500 * time.Millisecond)
		}
	}
}

func TestNoSecretLeavesARunThatIsCancelled(t *testing.T) {
	envtest.Env(t, "E2E_KUBECONFIG")
	l := newLeaky(t, "e2e-secrets-cancelled")
	defer l.gone()
	program := envtest.Env(t, "E2E_STAGECREW")
	exit, _ := l.run("installed", l.deploy("good")...)
	require.Zero(t, exit)
	for _, c := range []struct {
		name, mode string
		disturb    func(*running)
	}{
		{"SIGINT while pods start", "slow", signals(t, "watch", 2*time.Second, syscall.SIGINT)},
		{"SIGTERM twice while pods start", "slow", signals(t, "watch", 2*time.Second, syscall.SIGTERM, syscall.SIGTERM)},
		{"SIGINT in the rollback of pods that crash", "crash", signals(t, "rolling-back", 0, syscall.SIGINT, syscall.SIGINT)},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := l
			run.t = t
			exit, sinks := run.disturbed(program, strings.ReplaceAll(c.name, " ", "-"), c.disturb, l.deploy(c.mode, "--output", "json")...)
			noneIn(t, sinks)
			require.Equal(t, 6, exit)
			exit, sinks = run.run("recovered-"+strings.ReplaceAll(c.name, " ", "-"), "recover", "--smoke", filepath.Join(l.root, "smoke.yaml"))
			noneIn(t, sinks)
			require.Contains(t, []int{0, 4}, exit, "good, or rolled back")
		})
	}
}

// faulty is a stagecrew that panics: in place of one of its works [record.Guard] panics
// with the text of a file, in the package that an environment variable names. The
// product has no such code; the compiler is given this one in its place.
func faulty(t *testing.T) (program string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	source, dir := filepath.Join(root, "pkg/record/panicked.go"), t.TempDir()
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	const calls = "\treturn work()\n}\n"
	require.Equal(t, 1, bytes.Count(text, []byte(calls)), "record.Guard looks otherwise")
	text = bytes.Replace(text, []byte(calls), []byte("\tbreakDown()\n"+calls), 1)
	overlay := map[string]map[string]string{"Replace": {source: filepath.Join(dir, "panicked.go"), filepath.Join(filepath.Dir(source), "faulty.go"): filepath.Join(dir, "faulty.go")}}
	description, err := json.Marshal(overlay)
	require.NoError(t, err)
	for name, content := range map[string][]byte{"panicked.go": text, "faulty.go": []byte(breakDown), "overlay.json": description} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	program = filepath.Join(dir, "stagecrew")
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-ldflags", "-s -w", "-o", program, "./cmd/stagecrew")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

const breakDown = `package record

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
)

var works atomic.Int64

func breakDown() {
	var pcs [1]uintptr
	runtime.Callers(3, pcs[:])
	caller, _ := runtime.CallersFrames(pcs[:]).Next()
	after, _ := strconv.ParseInt(os.Getenv("FAULTY_AFTER"), 10, 64)
	room := "/pkg/" + os.Getenv("FAULTY_PACKAGE") // and those below it
	below := strings.Contains(caller.Function, room+".") || strings.Contains(caller.Function, room+"/")
	if !below || works.Add(1) != after+1 {
		return
	}
	text, _ := os.ReadFile(os.Getenv("FAULTY_TEXT"))
	panic("faulty: " + string(text))
}
`

func TestNoSecretLeavesARunThatPanics(t *testing.T) {
	envtest.Env(t, "E2E_KUBECONFIG")
	l, program := newLeaky(t, "e2e-secrets-panicked"), faulty(t)
	defer l.gone()
	exit, _ := l.run("installed", l.deploy("good")...)
	require.Zero(t, exit)
	// How many works of a package are done before: what this process has not read
	// yet, the Secrets of the cluster above all, no panic of it can hold.
	for room, after := range map[string]int{"preflight": 0, "release": 6, "rollout": 0, "smoke": 0, "deploy": 0, "pipeline": 8} {
		for kinds := range slices.Chunk(shortestFirst(), 3) {
			t.Run(room+", "+strings.Join(kinds, ", "), func(t *testing.T) {
				run := l
				run.t = t
				var text []string
				for _, kind := range kinds {
					text = append(text, leaked[kind], base64.StdEncoding.EncodeToString([]byte(leaked[kind])))
				}
				name := strings.ReplaceAll(room+" "+kinds[0], " ", "-")
				t.Setenv("FAULTY_PACKAGE", room)
				t.Setenv("FAULTY_AFTER", strconv.Itoa(after))
				t.Setenv("FAULTY_TEXT", l.file("fault-"+name, strings.Join(text, " | ")))
				_, sinks := run.disturbed(program, name, func(*running) {}, l.deploy("good")...)
				noneIn(t, sinks)
				var rec record.Record
				require.NoError(t, json.Unmarshal([]byte(sinks["/record.json"]), &rec))
				require.NotEmpty(t, rec.Panics)
				require.Contains(t, rec.Panics[0].Value, "faulty: ", "another panic")
				for _, kind := range kinds {
					require.NotContains(t, rec.Panics[0].Value, leaked[kind][:(len(leaked[kind])+1)/2], "half of %s", kind)
				}
			})
		}
	}
}

// shortestFirst are the kinds of secrets: the words of a panic are bounded.
func shortestFirst() []string {
	return slices.SortedFunc(maps.Keys(leaked), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(leaked[a]), len(leaked[b])), strings.Compare(a, b))
	})
}
