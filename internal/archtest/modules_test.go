package archtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// What the product, the sandbox, the programs of its node and the Sigstore of tests share is
// compiled once where they have it in one version: a third of all that the sandbox is compiled
// of, and three quarters of the Sigstore.
func TestTheProductAndWhatItIsTriedOnHaveOneVersionOfEachModule(t *testing.T) {
	files := []string{"go.mod", "cmd/sandbox/go.mod", "cmd/sandbox/runtime/go.mod", "test/sigstore/server/go.mod"}
	apart := map[string]bool{
		// The node's containerd wants a newer Go than the product asks of those who compile it.
		"github.com/containerd/containerd/api": true, "github.com/containerd/containerd/v2": true,
		// The last log that takes in what cosign v2 signs, and the library that goes with it.
		"github.com/sigstore/rekor-tiles/v2": true, "github.com/sigstore/sigstore-go": true,
		// Sigstore's servers ask for newer ones than anybody asks for in the product: fifty packages.
		"github.com/coreos/go-oidc/v3": true, "github.com/sigstore/timestamp-authority/v2": true, "github.com/transparency-dev/merkle": true,
		"go.opentelemetry.io/otel/exporters/prometheus": true, "google.golang.org/api": true, "google.golang.org/genproto": true,
	}
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
