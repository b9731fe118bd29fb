package build

import (
	"maps"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// migrating is a workspace with the migrations of a plugin that is installed, and of one
// of its own.
func migrating() map[string]string {
	files := maps.Clone(portal())
	files["node_modules/@backstage/plugin-catalog-backend/migrations/20200511113813_init.js"] = "exports.up = 1"
	files["node_modules/knex/lib/migrations/migrate/Migrator.js"] = "1"
	files["plugins/todo-backend/package.json"] = `{"name":"todo-backend","version":"1.0.0"}`
	files["plugins/todo-backend/migrations/20240101_init.js"] = "exports.up = 1"
	return files
}

// A deploy that compares two images then reads a few kilobytes of each.
func TestAnImageSaysItsMigrations(t *testing.T) {
	host := registrytest.Serve(t, nil)
	for _, dialect := range []types.MediaType{types.OCIManifestSchema1, types.DockerManifestSchema2} {
		o := options(writeTree(t, migrating()), host, registrytest.PushBase(t, host, dialect))
		o.Labels = map[string]string{migrations.SaidLabel: "reversible"}
		result, err := Build(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, migrations.Set{
			"@backstage/plugin-catalog-backend/migrations": {"20200511113813_init.js"},
			"app/plugins/todo-backend/migrations":          {"20240101_init.js"},
		}, listIn(t, result))
		file, err := registrytest.Pull(t, result.Image).ConfigFile()
		require.NoError(t, err)
		require.Equal(t, "reversible", file.Config.Labels[migrations.SaidLabel])
	}
}

// listIn is what an image says of its migrations.
func listIn(t *testing.T, r Result) migrations.Set {
	t.Helper()
	file, err := registrytest.Pull(t, r.Image).ConfigFile()
	require.NoError(t, err)
	var ids []string
	for _, id := range file.RootFS.DiffIDs {
		ids = append(ids, id.String())
	}
	list, ok := migrations.ReadList(file.Config.Labels[migrations.ListLabel], ids)
	require.True(t, ok)
	require.Len(t, list.Layers, 3, "those of the build")
	return list.Files
}

func TestALayerThatIsReusedStillSaysItsMigrations(t *testing.T) {
	host := registrytest.Serve(t, nil)
	o := options(writeTree(t, migrating()), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	first, err := Build(t.Context(), o)
	require.NoError(t, err)
	again, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, listIn(t, first), listIn(t, again))
}
