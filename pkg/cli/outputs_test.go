package cli

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestEveryOutputOfAnActionIsOneThatTheProgramSets(t *testing.T) {
	s := newSession("run", config.Settings{}, nil, io.Discard, io.Discard)
	var set []string
	for _, o := range s.outputs(record.Record{
		Release: &record.Release{Revision: 1}, Scan: &record.ScanReport{}, Cause: &record.Cause{},
		Image: record.Image{Repository: "r.test/a"}, Tags: []record.MovedTag{{Tag: "1", Here: true}},
	}) {
		set = append(set, o[0])
	}
	files, err := filepath.Glob("../../actions/*/action.yml")
	require.NoError(t, err)
	declared := []string{}
	for _, file := range append(files, "../../action.yml") {
		if filepath.Base(filepath.Dir(file)) == "setup" {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var action struct{ Outputs map[string]any }
		require.NoError(t, yaml.Unmarshal(text, &action))
		for name := range action.Outputs {
			declared = append(declared, name)
			require.Contains(t, set, name, file)
		}
	}
	for _, name := range set {
		if name == "unknown" {
			continue // findings of no severity stand in the record only
		}
		require.True(t, slices.Contains(declared, name), "no action gives the output %s on", name)
	}
}
