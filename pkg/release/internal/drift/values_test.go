package drift

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDifferences_ShowSingleValuesAndNoSecret(t *testing.T) {
	const env = "spec.template.spec.containers[app].env"
	for _, c := range []struct {
		path  string
		value any
		want  string
	}{
		{"spec.replicas", int64(0), "0"},
		{"spec.paused", true, "true"},
		{"spec.type", "LoadBalancer", `"LoadBalancer"`},
		{"spec.externalIPs", nil, "nothing"},
		{"spec.externalIPs", []any{"10.0.0.1"}, `["10.0.0.1"]`},
		{"spec.strategy", map[string]any{"type": "Recreate"}, "{…}"},
		{"spec.ports", []any{map[string]any{"port": int64(80)}}, "[…]"},
		{env, []any{map[string]any{"name": "HOTFIX", "value": "1"}, map[string]any{"name": "DB_PASSWORD"}}, `["HOTFIX", "DB_PASSWORD"]`},
		{"spec.template.spec.containers[app].image", "registry.test/web@sha256:c0ffee", `"registry.test/web@sha256:c0ffee"`},
		// What nobody would call a secret by its name.
		{env + "[DB_URL].value", "postgres://app:open-sesame@db/app", "…"},
		{"data.app-config", "backend:\n  auth:\n    secret: open-sesame\n", "…"},
		{"spec.template.spec.containers[app].args", []any{"--verbose", "--password=open-sesame"}, `["--verbose", …]`},
	} {
		require.Equal(t, c.want, single(c.path, c.value), c.path)
	}
	require.True(t, isSecretPath(env+"[DB_PASSWORD].value"))
	require.False(t, isSecretPath("spec.template.spec.containers[app].image"))
}
