package build

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// TestDockerignoreIsHeededButForWhatTheImageIsMadeOf: the file that create-app writes,
// and that of Backstage's manual for a build in several stages, name what a Dockerfile
// makes for itself (backstage/backstage#7107, #13180, #24808).
func TestDockerignoreIsHeededButForWhatTheImageIsMadeOf(t *testing.T) {
	host := registrytest.Serve(t, nil)
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	files := portal()
	files["plugins/a/package.json"], files["plugins/a/migrations/1.js"], files["plugins/a/dist/index.js"] = `{"name":"a"}`, "x", "x"
	files["examples/a.yaml"], files["catalog/notes/a.md"], files["catalog/notes/keep.md"], files["catalog/a.yaml"] = "x", "x", "x", "x"
	plain, err := Build(t.Context(), options(writeTree(t, files), host, base))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		file    string
		include []string
		gone    []string
	}{
		"of create-app": {".git\n.yarn/cache\n.yarn/install-state.gz\nnode_modules\npackages/*/src\npackages/*/node_modules\nplugins\n*.local.yaml\n", nil, nil},
		"of the manual": {"dist-types\nnode_modules\npackages/*/dist\npackages/*/node_modules\nplugins/*/dist\nplugins/*/node_modules\n", nil, nil},
		"a list of few": {"*\n!packages/backend/dist\n", nil, nil},
		"own patterns":  {"\ufeff# ours\nexamples\n/catalog/notes\n!catalog/notes/keep.md\n", nil, []string{"examples", "examples/a.yaml", "catalog/notes/a.md"}},
		// docker/cli#2847, #2919, docker/docker-py#1852, devthefuture-org/dockerfile-x#1
		"what is left out, but for some": {"examples/**\r\n   \r\n!./examples/*.yaml\r\n/catalog/**\r\n!catalog/**/keep.md\r\n", nil, []string{"catalog/notes/a.md", "catalog/a.yaml"}},
		"at any depth":                   {"**/*.md\n", nil, []string{"catalog/notes/a.md", "catalog/notes/keep.md"}},
		"named by the way":               {"examples\n", []string{"examples"}, nil},
		"a configuration":                {"app-config.production.yaml\napp-config.yaml", nil, []string{"app-config.production.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			files[dockerignore] = c.file
			var log bytes.Buffer
			o := options(writeTree(t, files), host, base)
			o.Include, o.Log = c.include, slog.New(slog.NewTextHandler(&log, nil))
			result, err := Build(t.Context(), o)
			require.NoError(t, err)
			want, got := filesOf(t, plain), filesOf(t, result)
			for _, path := range c.gone {
				require.Contains(t, log.String(), path)
				delete(want, "app/"+path)
				delete(want, "app/"+path+"/")
			}
			for path := range want {
				require.Contains(t, got, path)
			}
			require.Len(t, got, len(want))
		})
	}
	for file, want := range map[string]string{
		"dist\n[a\n": `pattern "[a": syntax error`,
		// As PowerShell 5 writes text: patterns that fit nothing.
		"\xff\xfee\x00x\x00": "it is no text in UTF-8",
		"examples\x00\n":     "it is no text in UTF-8",
	} {
		files[dockerignore] = file
		_, err = Build(t.Context(), options(writeTree(t, files), host, base))
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "[build/ignore-file]")
		require.Equal(t, record.KindInput, record.KindOf(err))
	}
}
