package authority

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigstore/fulcio/pkg/config"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// What GitHub's jobs get here is what the public Fulcio gives them.
func TestTheIdentitiesAreThoseOfThePublicFulcio(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/sigstore/fulcio").Output()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "config", "identity", "config.yaml"))
	require.NoError(t, err)
	require.Equal(t, github(t, text), github(t, []byte(identities)))
}

func github(t *testing.T, text []byte) config.IssuerMetadata {
	var c config.FulcioConfig
	require.NoError(t, yaml.Unmarshal(text, &c))
	require.Contains(t, c.CIIssuerMetadata, "github-workflow")
	return c.CIIssuerMetadata["github-workflow"]
}
