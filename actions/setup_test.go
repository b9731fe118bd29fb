package actions_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho \"called $* pid $$ record $STAGECREW_RECORD dir $STAGECREW_ACTION_DIR\"\nexit 4\n"), 0o755))
	return path
}

func TestSetupLeavesAGivenProgramWhereTheActionsLook(t *testing.T) {
	temp, path := t.TempDir(), filepath.Join(t.TempDir(), "stagecrew")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho \"called $*\"\n"), 0o755))
	code, out := run(t, temp, []string{"BINARY=" + path}, "setup.sh")
	require.Zero(t, code, out)
	outputs, err := os.ReadFile(filepath.Join(temp, "output"))
	require.NoError(t, err)
	require.Regexp(t, "^path="+regexp.QuoteMeta(filepath.Join(temp, "stagecrew", "bin"))+"/[0-9.]+/stagecrew\nversion=unknown\nchecksum=[0-9a-f]{64}\n$", string(outputs))

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
	require.Contains(t, out, "in an earlier step of this job, or give the input binary")
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
	require.Equal(t, "called scan pid "+strconv.Itoa(cmd.Process.Pid)+" record  dir "+temp+"/stagecrew\n", out.String(), "signals to the step reach the program")
}

func TestAProgramThatWasReplacedDoesNotRun(t *testing.T) {
	for name, c := range map[string]struct{ replace, want string }{
		"the link leads elsewhere":       {`ln -sfn "$evil" "$bin"`, "has replaced it"},
		"the program itself changed":     {`cat "$evil" >"$(realpath "$bin")"`, "has replaced it"},
		"and the noted checksum, too":    {`ln -sfn "$evil" "$bin" && sha256sum <"$evil" | cut -d ' ' -f 1 >"$bin.sha256"`, "has replaced it"},
		"nothing changed: the good case": {`true`, "called deploy"},
	} {
		t.Run(name, func(t *testing.T) {
			temp, path, evil := t.TempDir(), filepath.Join(t.TempDir(), "stagecrew"), filepath.Join(t.TempDir(), "evil")
			require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho \"called $*\"\n"), 0o755))
			require.NoError(t, os.WriteFile(evil, []byte("#!/bin/sh\necho \"evil got $COSIGN_PASSWORD\"\n"), 0o755))
			code, out := run(t, temp, []string{"BINARY=" + path}, "setup.sh")
			require.Zero(t, code, out)
			outputs, err := os.ReadFile(filepath.Join(temp, "output"))
			require.NoError(t, err)
			_, sum, found := strings.Cut(strings.TrimSpace(string(outputs)), "checksum=")
			require.True(t, found)

			step := exec.CommandContext(t.Context(), "bash", "-euc", c.replace)
			bin, _, _ := strings.Cut(strings.TrimPrefix(string(outputs), "path="), "\n")
			step.Env = append(os.Environ(), "evil="+evil, "bin="+bin)
			text, err := step.CombinedOutput()
			require.NoError(t, err, string(text))

			_, out = run(t, temp, []string{"COSIGN_PASSWORD=word", "BIN_SHA256=" + sum}, "exec.sh", "deploy")
			require.Contains(t, out, c.want)
			require.NotContains(t, out, "evil got")
			_, out = run(t, temp, []string{"COSIGN_PASSWORD=word", "BIN_SHA256=" + sum}, "setup.sh")
			require.NotContains(t, out, "evil got", "setup runs it, too")
		})
	}
}

// B5 of the security reading.
func TestTheProgramIsTheOneThatWasLookedAt(t *testing.T) {
	folder, elsewhere := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "stagecrew"), []byte("#!/bin/sh\necho here\n"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "stagecrew"), []byte("#!/bin/sh\necho elsewhere\n"), 0o755))
	script, err := filepath.Abs("setup/exec.sh")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), script, "scan")
	cmd.Dir = folder
	cmd.Env = []string{"PATH=" + elsewhere + ":" + os.Getenv("PATH"), "RUNNER_TEMP=" + t.TempDir(), "BIN=stagecrew"}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "here\n", string(out))
}

// B5 of the security reading.
func TestNamesOfProgramsAreDataToTheRunner(t *testing.T) {
	for script, variable := range map[string]string{"exec.sh": "BIN", "setup.sh": "BINARY"} {
		_, out := run(t, t.TempDir(), []string{variable + "=x\n::set-output name=verdict::good\r\n::error::y%"}, script, "scan")
		require.Equal(t, 1, strings.Count(out, "\n"), "%s: one line: %q", script, out)
		require.Contains(t, out, "x%0A::set-output name=verdict::good%0D%0A::error::y%25")
	}
}
