package actions_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// compiler puts a program go in the place of Go's, and gives the PATH that finds it.
func compiler(t *testing.T, m *mirror, script string) string {
	t.Helper()
	tools := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(tools, "go"), []byte("#!/bin/bash\n"+script), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(m.actions, "..", "..", "go.mod"), []byte("module x\n\ngo 1.26.3\n"), 0o600))
	return "PATH=" + tools + ":" + os.Getenv("PATH")
}

// build is `go build … -o FILE …`: it writes what it was called with.
const build = `while [ "$1" != -o ]; do [ "$1" != -ldflags ] || flags="$2"; shift; done
printf '#!/bin/sh\necho "stagecrew %s %s in %s"\n' "$GOTOOLCHAIN $GOEXPERIMENT" "${flags##*=}" "$PWD" >"$2"; chmod 755 "$2"`

func TestSourceIsCompiledWhenItIsAskedFor(t *testing.T) {
	m, temp := newMirror(t), t.TempDir()
	// setup-go sets GOTOOLCHAIN=local, and then an older Go refuses (actions/setup-go#420, cloudfoundry/go-buildpack#526).
	code, out := m.run(temp, "setup.sh", "INSTALL=source", compiler(t, m, build), "GOTOOLCHAIN=local")
	require.Zero(t, code, out)
	require.Empty(t, m.requests)
	_, out = m.run(temp, "exec.sh")
	require.Equal(t, "stagecrew auto jsonv2 1.2.3-source in "+filepath.Join(m.actions, "..", "..")+"\n", out)
}

func TestWhatCannotBeCompiledIsOneAnnotation(t *testing.T) {
	m, temp := newMirror(t), t.TempDir()
	code, out := m.run(temp, "setup.sh", "INSTALL=source", compiler(t, m, "echo 'proxy.golang.org: no such host' >&2; exit 1"))
	refused(t, temp, code, out, "building stagecrew failed: the log above says why")
	require.Contains(t, out, "no such host")
}

func TestACancelledJobEndsTheCompiler(t *testing.T) {
	m, temp := newMirror(t), t.TempDir()
	mark := filepath.Join(temp, "compiling")
	cmd := exec.CommandContext(t.Context(), filepath.Join(m.actions, "setup.sh"))
	cmd.Env = []string{compiler(t, m, `echo $$ >"`+mark+`"; exec /bin/sleep 3600`), "RUNNER_TEMP=" + temp, "INSTALL=source"}
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		content, err := os.ReadFile(mark)
		return err == nil && len(content) > 0
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait())
	pid, err := os.ReadFile(mark)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return exec.CommandContext(t.Context(), "sh", "-c", "kill -0 "+string(pid)).Run() != nil
	}, time.Minute, 10*time.Millisecond, "the compiler goes on")
}
