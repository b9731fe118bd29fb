package build

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// ofPnpm is what `pnpm install --prod` leaves: hoisted as npm does it, or with a store of links.
func ofPnpm(isolated bool) map[string]string {
	files := portal()
	delete(files, "package-lock.json")
	files["package.json"] = `{"name":"portal","packageManager":"pnpm@10.4.0"}`
	files["pnpm-lock.yaml"] = "lockfileVersion: '9.0'\n"
	files["pnpm-workspace.yaml"] = "packages:\n  - 'packages/*'\n  - 'libs/**'\n  - '!**/test/**'\n"
	files["libs/common/package.json"] = `{"name":"common"}`
	files["libs/common/index.js"] = "common\n"
	files["libs/test/x/package.json"] = `{"name":"x"}`
	files["node_modules/common"] = "-> ../libs/common"
	files["node_modules/.modules.yaml"] = "nodeLinker: hoisted\nprunedAt: Thu, 27 Nov 2026 10:00:00 GMT\nstoreDir: /home/me/store\n"
	files["node_modules/.pnpm/lock.yaml"] = "lockfileVersion: '9.0'\n"
	files["node_modules/.pnpm-workspace-state-v1.json"] = `{"lastValidatedTimestamp":1}`
	if isolated {
		files["node_modules/.pnpm/knex@3.1.0/node_modules/knex/index.js"] = "linked\n"
		delete(files, "packages/backend/node_modules/knex/index.js")
		files["packages/backend/node_modules/knex"] = "-> ../../../node_modules/.pnpm/knex@3.1.0/node_modules/knex"
	}
	return files
}

// Sources: pnpm/pnpm#1637, #3114 (a workspace of pnpm in an image), #6754, #1968 (links to its own packages).
func TestWhatPnpmHasInstalledIsTaken(t *testing.T) {
	for name, isolated := range map[string]bool{"hoisted": false, "isolated": true} {
		t.Run(name, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
			files := ofPnpm(isolated)
			first, err := Build(t.Context(), options(writeTree(t, files), host, base))
			require.NoError(t, err)
			have := filesOf(t, first)
			require.Equal(t, "common\n", have["app/libs/common/index.js"])
			require.NotContains(t, have, "app/libs/test/x/package.json")
			if isolated {
				require.Equal(t, "linked\n", have["app/node_modules/.pnpm/knex@3.1.0/node_modules/knex/index.js"])
			}
			for _, note := range []string{".modules.yaml", ".pnpm/lock.yaml", ".pnpm-workspace-state-v1.json"} {
				require.NotContains(t, have, "app/node_modules/"+note, "it tells of the machine and the hour")
			}

			files["node_modules/.modules.yaml"], files["node_modules/.pnpm-workspace-state-v1.json"] = "prunedAt: tomorrow\n", "{}"
			again, err := Build(t.Context(), options(writeTree(t, files), host, base))
			require.NoError(t, err)
			require.Equal(t, first.Image.Digest, again.Image.Digest)
			require.NotEmpty(t, dependenciesOf(t, again).Key)
			require.True(t, dependenciesOf(t, again).Reused)
			files["node_modules/.pnpm/lock.yaml"] = "lockfileVersion: '9.0'\npackages: {}\n"
			other, err := Build(t.Context(), options(writeTree(t, files), host, base))
			require.NoError(t, err)
			require.NotEqual(t, dependenciesOf(t, again).Key, dependenciesOf(t, other).Key)
		})
	}
}

func TestPnpmDoesNotInstallHere(t *testing.T) {
	host := registrytest.Serve(t, nil)
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	_, err := Build(t.Context(), prepared(writeTree(t, ofPnpm(false)), host, base))
	require.ErrorContains(t, err, "[build/no-lockfile]")
	require.ErrorContains(t, err, "install and build with pnpm first (`pnpm install --prod --frozen-lockfile --ignore-scripts`), and then without --prepare")
	require.Equal(t, record.KindInput, record.KindOf(err))

	files := ofPnpm(false)
	for name := range files {
		if len(name) > 13 && name[:13] == "node_modules/" {
			delete(files, name)
		}
	}
	_, err = Build(t.Context(), options(writeTree(t, files), host, base))
	require.ErrorContains(t, err, "run `pnpm install --prod --frozen-lockfile --ignore-scripts` there first")
	require.ErrorContains(t, err, "[build/no-dependencies]")
}
