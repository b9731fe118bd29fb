package actions_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// run runs a script of setup as a step of a job whose RUNNER_TEMP is temp.
func run(t *testing.T, temp string, env []string, script string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join("setup", script), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "RUNNER_TEMP=" + temp, "GITHUB_OUTPUT=" + filepath.Join(temp, "output")}, env...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(text)
	}
	require.NoError(t, err)
	return 0, string(text)
}

// program is a stand-in for stagecrew that says how it was called.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "my stagecrew")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho \"called $* pid $$ record $STAGECREW_RECORD\"\nexit 4\n"), 0o755))
	return path
}

func TestSetupLeavesAGivenProgramWhereTheActionsLook(t *testing.T) {
	temp, path := t.TempDir(), filepath.Join(t.TempDir(), "stagecrew")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho \"called $*\"\n"), 0o755))
	code, out := run(t, temp, []string{"BINARY=" + path}, "setup.sh")
	require.Zero(t, code, out)
	outputs, err := os.ReadFile(filepath.Join(temp, "output"))
	require.NoError(t, err)
	require.Equal(t, "path="+filepath.Join(temp, "stagecrew", "bin", "stagecrew")+"\n", string(outputs))

	code, out = run(t, temp, nil, "exec.sh", "deploy")
	require.Zero(t, code, out)
	require.Equal(t, "called deploy\n", out)
}

func TestSetupRefusesWhatIsNoProgram(t *testing.T) {
	code, out := run(t, t.TempDir(), []string{"BINARY=/nowhere/stagecrew"}, "setup.sh")
	require.Equal(t, 2, code)
	require.Contains(t, out, "::error title=stagecrew setup::input binary: /nowhere/stagecrew is not a program")
}

func TestWithoutSetupAnActionSaysWhatIsMissing(t *testing.T) {
	code, out := run(t, t.TempDir(), nil, "exec.sh", "deploy")
	require.Equal(t, 2, code)
	require.Contains(t, out, "run the setup action in an earlier step of this job, or give the input binary")
}

func TestTheStepBecomesTheProgram(t *testing.T) {
	temp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "setup/exec.sh", "scan")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "RUNNER_TEMP=" + temp, "BIN=" + program(t)}
	var out strings.Builder
	cmd.Stdout = &out
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	require.Equal(t, 4, exit.ExitCode(), "the exit code is the program's")
	require.Equal(t, "called scan pid "+strconv.Itoa(cmd.Process.Pid)+" record "+temp+"/stagecrew/scan.json\n", out.String(), "signals to the step reach the program")
}
