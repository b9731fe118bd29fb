package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func FuzzFile(f *testing.F) {
	for _, text := range []string{
		"release: backstage\nset: [a=b, c=d]\n", "a: &a [*a]", "a: &a *a", "release: !!binary x", "? [a]\n: b", "<<: {a: b}", "a: 1.10\na: 2", "\xff\xfe", "release: |\n  x\n y", "- a", "%YAML 9.9\n---\na: b", "a: {b: c}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		values, _, err := parse(content)
		if err == nil {
			for _, given := range values {
				require.NotNil(t, given)
			}
		}
		path := filepath.Join(t.TempDir(), "stagecrew.yaml")
		require.NoError(t, os.WriteFile(path, content, 0o600))
		var settings Settings
		flags := pflag.NewFlagSet("deploy", pflag.ContinueOnError)
		Define(flags, &settings)
		require.NoError(t, flags.Parse([]string{"--config", path}))
		_ = Resolve(flags, []string{"STAGECREW_SET=" + string(content)})
	})
}
