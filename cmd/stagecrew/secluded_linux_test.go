//go:build !cgo

// With cgo, as under the race detector, Go cannot take a right from every thread; the
// program is built without, and so is this test.

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// curious stands for an install script that looks for credentials: in its own
// environment, in that of the program that started it, and in its memory.
const curious = `#!/bin/sh
{
  echo ran
  env
  tr '\0' '\n' < /proc/$PPID/environ
  tr '\0' '\n' < /proc/$PPID/task/$PPID/environ
  (: < /proc/$PPID/mem) && echo "memory is open"
} > "$HOME/seen" 2>&1
exit 1
`

// TestProgramsOfABuildCannotSeeSecrets runs the whole program, as root where the test
// is root, and as another user.
func TestProgramsOfABuildCannotSeeSecrets(t *testing.T) {
	users := map[string]*syscall.Credential{"this user": nil}
	if os.Getuid() == 0 {
		users["nobody"] = &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}
	}
	self, err := os.Executable()
	require.NoError(t, err)
	// The build asks for its base image meanwhile: a registry that says nothing ends nothing.
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	host := strings.TrimPrefix(silent.URL, "http://")
	for name, user := range users {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "secluded-") //nolint:usetesting // other users may not enter the test's own
			require.NoError(t, err)
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			require.NoError(t, os.Chmod(dir, 0o777))
			program := filepath.Join(dir, "stagecrew")
			if os.Link(self, program) != nil {
				require.NoError(t, exec.CommandContext(t.Context(), "cp", self, program).Run())
			}
			for file, text := range map[string]string{
				"npm": curious, "package.json": `{"scripts":{"build":"x"}}`, "package-lock.json": "{}", "app-config.yaml": "app: {}",
			} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o755))
			}
			cmd := exec.CommandContext(t.Context(), program, "build", "--source", ".", "--prepare", "--repository", host+"/app", "--base-image", host+"/node:22", "--insecure-registry", host, "--builder", "layers")
			cmd.Dir = dir
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
			cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "HOME=" + dir, "TMPDIR=" + dir,
				"COSIGN_PASSWORD=hush-1", "REGISTRY_PASSWORD=hush-2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=hush-3", "GITHUB_TOKEN=hush-4",
				"AWS_SECRET_ACCESS_KEY=hush-5", "BACKSTAGE_SMOKE_TOKEN=hush-6", "KUBECONFIG=hush-7", "LONG=" + strings.Repeat("hush-8 ", 5000)}
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), "[build/command]", "it went on although the script failed")
			seen, err := os.ReadFile(filepath.Join(dir, "seen"))
			require.NoError(t, err, string(out))
			require.True(t, strings.HasPrefix(string(seen), "ran\n"))
			require.NotContains(t, string(seen), "hush-")
			require.NotContains(t, string(seen), "is open")
		})
	}
}
