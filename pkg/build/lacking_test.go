package build

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// node_modules that were filled for something else start no backend: pnpm/pnpm#6682 (deploy with
// node-linker=hoisted), pnpm/pnpm#1968, backstage/backstage#5947.
func TestDependenciesThatAreNotInstalledAreTold(t *testing.T) {
	host := registrytest.Serve(t, nil)
	for manifest, want := range map[string][]string{
		`{"name":"backend","main":"dist/index.cjs.js","dependencies":{"pg":"1","knex":"3","app":"link:../app"}}`: nil,
		`{"name":"backend","main":"dist/index.cjs.js","dependencies":{"pg":"1","express":"4","@backstage/backend-defaults":"^0.1","fsevents":"2"},"optionalDependencies":{"fsevents":"2"}}`: {
			"node_modules lacks packages that the backend names, and it ends at its start where it needs one; install them again with the package manager of the lockfile: @backstage/backend-defaults, express",
		},
	} {
		files := portal()
		files["packages/backend/package.json"] = manifest
		result, err := Build(t.Context(), options(writeTree(t, files), host, registrytest.PushPlatforms(t, host, "amd64")))
		require.NoError(t, err)
		require.Equal(t, want, result.Warnings)
	}
}
