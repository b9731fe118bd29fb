package pipeline

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/pipeline/site"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scaffold"
)

func TestInit_WritesAndThenChecks(t *testing.T) {
	t.Chdir(t.TempDir())
	w := &witness{}
	require.NoError(t, Run(t.Context(), Commands()["init"], config.Settings{}, w.host()))
	require.FileExists(t, config.DefaultFile)
	require.NotEmpty(t, w.todo)
	require.Contains(t, w.log.String(), "file=.github/workflows/deploy.yml")

	check := config.Settings{Start: config.Start{Check: true}}
	require.NoError(t, Run(t.Context(), Commands()["init"], check, w.host()))
	require.NoError(t, os.Remove("smoke.yaml"))
	err := Run(t.Context(), Commands()["init"], check, w.host())
	require.Equal(t, record.KindRefused, record.KindOf(err))
}

// The settings that are written are settings, and the smoke checks are checks.
func TestInit_WritesWhatTheOtherCommandsRead(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"packages/backend/package.json", "backstage.json", "charts/portal/Chart.yaml", ".trivyignore", "deploy/values-prod.yaml"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte("{name: portal}"), 0o600))
	}
	w := &witness{}
	require.NoError(t, Run(t.Context(), Commands()["init"], config.Settings{}, w.host()))
	for _, c := range config.Commands() {
		var settings config.Settings
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		c.Define(flags, &settings)
		require.NoError(t, config.Resolve(flags, nil), c.Name)
	}
	gate, err := site.ReadGate(config.Checks{Smoke: "smoke.yaml"}, config.Gate{}, w.host().ofSite())
	require.NoError(t, err)
	require.True(t, gate.Asks())
}

func TestActionsRef(t *testing.T) {
	for version, want := range map[string]scaffold.Ref{"1.2.3": "v1.2.3", "v1.2.3": "v1.2.3", "(devel)": "v1", "v0.0.0-20261126074651-cc13d724f8a1": "v1", "": "v1"} {
		require.Equal(t, want, actionsRef(version), version)
	}
}
