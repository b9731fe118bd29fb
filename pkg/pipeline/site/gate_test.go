package site

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// witness notes what is withheld and logged; of a run it has nothing else.
type witness struct {
	Secrets
	withheld []string
	log      bytes.Buffer
}

func (w *witness) Withhold(values ...string) { w.withheld = append(w.withheld, values...) }

func (w *witness) host(environ ...string) Host {
	return Host{Log: slog.New(slog.NewTextHandler(&w.log, nil)), Secrets: w, Getenv: func(name string) string {
		for _, line := range environ {
			if value, found := strings.CutPrefix(line, name+"="); found {
				return value
			}
		}
		return ""
	}}
}

// What a revision is judged by is read before anything is applied.
func TestReadGate_AWrongGateIsWrongInput(t *testing.T) {
	for name, c := range map[string]struct {
		settings config.Settings
		want     string
	}{
		"a log pattern that is no expression": {config.Settings{Gate: config.Gate{LogPatterns: []string{"backstage", "("}}}, "rollout/log-pattern-invalid"},
		"a rule without a code":               {config.Settings{Gate: config.Gate{RolloutRules: []string{"terminal"}}}, "rollout/"},
	} {
		t.Run(name, func(t *testing.T) {
			c.settings.Smoke = record.SmokeNone
			var w witness
			_, err := ReadGate(c.settings.Checks, c.settings.Gate, w.host())
			require.Equal(t, record.KindInput, record.KindOf(err))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestReadGate_HowARevisionIsJudged(t *testing.T) {
	with := filepath.Join(t.TempDir(), "smoke.yaml")
	require.NoError(t, os.WriteFile(with, []byte("checks: [{name: page, path: /, headers: {Authorization: 'Bearer ${SMOKE_TOKEN}'}}]\n"), 0o600))
	broken := filepath.Join(t.TempDir(), "smoke.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("checks: [{name: page, path: x}]\n"), 0o600))
	for name, c := range map[string]struct {
		checks  config.Checks
		environ []string
		want    string
		secrets []string
	}{
		"checks with a credential":         {config.Checks{Smoke: with}, []string{"SMOKE_TOKEN=hunter2-xyz"}, "", []string{"hunter2-xyz"}},
		"a credential that is not there":   {config.Checks{Smoke: with}, nil, "SMOKE_TOKEN", nil},
		"Backstage's checks":               {config.Checks{Smoke: record.SmokeBackstage}, []string{"BACKSTAGE_SMOKE_TOKEN=hunter2-xyz"}, "", []string{"hunter2-xyz"}},
		"no checks":                        {config.Checks{Smoke: record.SmokeNone}, nil, "", nil},
		"a file that is not there":         {config.Checks{Smoke: "nowhere.yaml"}, nil, "give a file of checks, backstage or none [config/smoke]", nil},
		"checks that are none":             {config.Checks{Smoke: broken}, nil, "[config/smoke]", nil},
		"a public URL of another kind":     {config.Checks{Smoke: record.SmokeNone, PublicURL: "ftp://example.com"}, nil, "want http:// or https://", nil},
		"a public URL with a user":         {config.Checks{Smoke: record.SmokeNone, PublicURL: "https://joe:pw@example.com"}, nil, "no user, query or fragment", nil},
		"a public URL with a path, a port": {config.Checks{Smoke: record.SmokeNone, PublicURL: "https://example.com:8443/portal"}, nil, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var w witness
			g, err := ReadGate(c.checks, config.Gate{}, w.host(c.environ...))
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				require.Equal(t, record.KindInput, record.KindOf(err))
				require.NotContains(t, err.Error(), "pw@")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.checks.Smoke == record.SmokeNone, !g.Asks())
			require.Equal(t, !g.Asks(), strings.Contains(w.log.String(), "ready pods count as proof"))
			require.Equal(t, c.secrets, slices.Compact(g.Credentials()))
			require.Equal(t, c.secrets, slices.Compact(w.withheld))
			require.NotEmpty(t, g.logPatterns, "Backstage's, when none are given")
			require.NotEmpty(t, g.passing)
		})
	}
}
