package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// What the sandbox and the programs of its node share is compiled once where they have it
// in one version: a tenth of all that the sandbox is compiled of.
func TestTheSandboxAndItsNodeHaveOneVersionOfEachModule(t *testing.T) {
	sandbox, node := required(t, "cmd/sandbox/go.mod"), required(t, "cmd/sandbox/runtime/go.mod")
	shared := 0
	for module, version := range node {
		// Kubernetes has its own, of the version that the sandbox is; containerd is newer.
		if sandbox[module] == "" || strings.HasPrefix(module, "k8s.io/cri-") || module == "k8s.io/streaming" {
			continue
		}
		shared++
		require.Equal(t, sandbox[module], version, "%s: raise the lower of the two (go get %s@VERSION and go mod tidy in cmd/sandbox or cmd/sandbox/runtime)", module, module)
	}
	require.Greater(t, shared, 50)
}

// required are the versions that a go.mod asks for.
func required(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
	require.NoError(t, err)
	module, err := modfile.Parse(file, text, nil)
	require.NoError(t, err)
	versions := map[string]string{}
	for _, r := range module.Require {
		versions[r.Mod.Path] = r.Mod.Version
	}
	return versions
}
