// Package target runs the target system, Backstage behind an ingress with
// certificates, policies and an autoscaler, on a sandbox that has the add-ons for it.
package target

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// sandbox is what `sandbox status` says.
type sandbox struct {
	AddOns                                                       []string
	IngressAddress, ACMERoots, CABundle, NodeAddress, Kubeconfig string
}

// with gives the sandbox; a test that needs an add-on which is not there is skipped, and
// says so, or fails where the stage is promised.
func with(t *testing.T, addOns ...string) sandbox {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), envtest.Env(t, "E2E_SANDBOX"), "status", "--name", envtest.Env(t, "E2E_SANDBOX_NAME"), "--output", "json").Output()
	require.NoError(t, err)
	var s sandbox
	require.NoError(t, json.Unmarshal(out, &s))
	for _, name := range addOns {
		if slices.Contains(s.AddOns, name) {
			continue
		}
		if os.Getenv("E2E_REQUIRED") != "" {
			t.Fatalf("the sandbox runs without %s, although a stage is required", name)
		}
		command := "make target"
		if name == "admission" {
			command = "make target-admission"
		}
		t.Skipf("SKIPPED: the sandbox runs without %s; `%s` runs this test", name, command)
	}
	return s
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := try(t, args...)
	require.NoError(t, err, "kubectl %v: %s", args, out)
	return out
}

// try gives what kubectl says, also when it fails.
func try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "kubectl", append([]string{"--kubeconfig", envtest.Env(t, "E2E_KUBECONFIG")}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// apply makes the objects of a manifest and takes them away after the test.
func apply(t *testing.T, manifest string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifest.yaml")
	require.NoError(t, os.WriteFile(path, []byte(manifest), 0o600))
	kubectl(t, "apply", "-f", path)
	t.Cleanup(func() {
		out, err := exec.Command("kubectl", "--kubeconfig", os.Getenv("E2E_KUBECONFIG"), "delete", "-f", path, "--wait=false", "--ignore-not-found").CombinedOutput()
		if err != nil {
			t.Logf("removing what the test made: %v: %s", err, out)
		}
	})
}
