package archtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// What the product, the sandbox and the programs of its node share is compiled once where
// they have it in one version: a third of all that the sandbox is compiled of.
func TestTheProductTheSandboxAndItsNodeHaveOneVersionOfEachModule(t *testing.T) {
	files := []string{"go.mod", "cmd/sandbox/go.mod", "cmd/sandbox/runtime/go.mod"}
	// The node's containerd wants a newer Go than the product asks of those who compile it.
	apart := map[string]bool{"github.com/containerd/containerd/api": true, "github.com/containerd/containerd/v2": true}
	first := map[string]string{} // by module
	versions := map[string]string{}
	shared := 0
	for _, file := range files {
		for module, version := range required(t, file) {
			switch found, met := versions[module]; {
			case !met:
				first[module], versions[module] = file, version
			case !apart[module]:
				shared++
				assert.Equal(t, found, version, "%s in %s and %s: raise the lower of the two (go get %s@VERSION and go mod tidy beside its go.mod)", module, first[module], file, module)
			}
		}
	}
	require.Greater(t, shared, 150)
}

// required are the versions that a go.mod asks for, and has.
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
	for _, r := range module.Replace {
		if _, asked := versions[r.Old.Path]; asked {
			versions[r.Old.Path] = r.New.Version
		}
	}
	return versions
}
