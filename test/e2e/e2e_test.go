// Package e2e runs the built stagecrew binary against a real cluster and registry.
// `make e2e-main` prepares them; see test/env. Tests of the main path wait for pods most of the time: they run side by side,
// each in a namespace of its own, and only TestTheMainPath has what the chart brings once for a cluster.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// outcome is how one command ended.
type outcome struct {
	exit   int
	stdout string
	stderr string
	record record.Record
}

// stagecrew runs the binary with the stage's cluster; values come from a file of
// the test's own.
func stagecrew(t *testing.T, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, envtest.Env(t, "E2E_STAGECREW"), args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Dir = &stdout, &stderr, t.TempDir()
	err := cmd.Run()
	o := outcome{stdout: stdout.String(), stderr: stderr.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		o.exit = exit.ExitCode()
	} else {
		require.NoError(t, err)
	}
	if strings.Contains(strings.Join(args, " "), "--output json") && args[0] != "status" {
		require.NoError(t, json.Unmarshal([]byte(o.stdout), &o.record), "stdout: %s\nstderr: %s", o.stdout, o.stderr)
	}
	t.Logf("stagecrew %s: exit %d\n%s", args[0], o.exit, o.stderr)
	return o
}

// kubectl is what a person would use to look at the cluster, when a test ends, too: its context has ended then.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("kubectl", append([]string{"--kubeconfig", envtest.Env(t, "E2E_KUBECONFIG")}, args...)...).CombinedOutput()
	require.NoError(t, err, "kubectl %v: %s", args, out)
	return string(out)
}

// write puts a file into a directory of the test.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
