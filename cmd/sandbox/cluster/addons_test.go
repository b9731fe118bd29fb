package cluster

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestAddOnsAreChosenByName(t *testing.T) {
	for _, c := range []struct {
		name         string
		named, given []string
	}{
		{"none", nil, []string{}},
		{"in a fixed order, each once", []string{"metrics", "policies", "metrics"}, []string{"policies", "metrics"}},
		{"with what they need", []string{"certificates"}, []string{"ingress", "certificates"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			given, err := ChooseAddOns(c.named)
			require.NoError(t, err)
			require.Equal(t, c.given, given)
		})
	}
	_, err := ChooseAddOns([]string{"metrics", "mesh"})
	require.EqualError(t, err, `add-on "mesh": allowed are ingress, certificates, policies, metrics, monitoring, admission`)
}

func TestANodeLacksWhatItWasNotMadeWith(t *testing.T) {
	node := Node{AddOns: []string{"policies", "metrics"}}
	require.Empty(t, node.lacking(nil))
	require.Equal(t, []string{"ingress"}, node.lacking([]string{"ingress", "metrics"}))
}

// Whoever asks for an add-on is told everything that was not built.
func TestWhatAnAddOnRunsHasToBeThere(t *testing.T) {
	bin := t.TempDir()
	missing := checkAddOns(bin, []string{"metrics"})
	require.Len(t, missing, 1)
	require.ErrorContains(t, missing[0], "`make sandbox WITH=metrics` builds it")
	require.NoError(t, os.WriteFile(filepath.Join(bin, "metrics-server"), nil, 0o600))
	require.Empty(t, checkAddOns(bin, []string{"metrics"}))
}

func TestEveryManifestIsRenderedAsObjects(t *testing.T) {
	node := testNode(t, 5)
	require.NoError(t, node.makePKI())
	files, err := manifests.ReadDir("manifests")
	require.NoError(t, err)
	for _, file := range files {
		t.Run(file.Name(), func(t *testing.T) {
			text, err := node.render(file.Name())
			require.NoError(t, err)
			for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
				var o struct {
					Kind     string
					Metadata struct{ Name string }
				}
				require.NoError(t, yaml.Unmarshal(document, &o))
				require.NotEmpty(t, o.Kind)
				require.NotEmpty(t, o.Metadata.Name)
			}
		})
	}
}

func TestTheAuthorityOfCertificatesSeesTheIngressEverywhere(t *testing.T) {
	node := testNode(t, 5)
	corefile := func() string {
		require.NoError(t, node.writeFiles())
		content, err := os.ReadFile(node.Path("etc/Corefile"))
		require.NoError(t, err)
		return string(content)
	}
	require.NotContains(t, corefile(), ".:8053")
	node.AddOns = []string{"ingress", "certificates"}
	require.Contains(t, corefile(), "answer \"{{ .Name }} 5 IN A 10.215.5.20\"\n")
}
