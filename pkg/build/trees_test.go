package build

import (
	"bytes"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// elsewhere is a workspace with packages and node_modules in many places.
func elsewhere() map[string]string {
	files := portal()
	files["package.json"] = `{"workspaces":["packages/*","libs/*"],"dependencies":{"near":"file:vendor/near"}}`
	maps.Copy(files, map[string]string{
		"libs/common/package.json": `{"name":"common"}`, "libs/common/dist/index.js": "x", "libs/common/src/index.ts": "source", "node_modules/common": "-> ../libs/common",
		"libs/common/node_modules/nested/index.js": "x", "vendor/near/package.json": `{"name":"near"}`, "vendor/near/index.js": "x", "node_modules/near": "-> ../vendor/near",
		"plugins/x/dist-dynamic/package.json": "{}", "plugins/x/dist-dynamic/node_modules/y/index.js": "bundled",
		"dynamic-plugins-root/foo/node_modules/z/index.js": "dynamic",
	})
	return files
}

// Sources: redhat-developer/rhdh#522, #1777 (node_modules of plugins),
// danielsmithdevelopment/ClawQL#477 (links to packages that were not copied),
// onyx-dot-app/onyx#6261.
func TestEachPackageAndEachPluginIsInTheImageWhereverItLies(t *testing.T) {
	want := []string{
		"app/libs/common/dist/index.js", "app/vendor/near/index.js", "app/plugins/x/dist-dynamic/node_modules/y/index.js", "app/dynamic-plugins-root/foo/node_modules/z/index.js",
	}
	for _, prepare := range []bool{false, true} {
		installer(t, "npm", "package-lock.json")
		host := registrytest.Serve(t, nil)
		files := elsewhere()
		if prepare {
			remove(files, "node_modules/")
			remove(files, "libs/common/node_modules/")
		}
		o := options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
		var log bytes.Buffer
		o.Include, o.Prepare, o.Log = []string{"dynamic-plugins-root"}, prepare, slog.New(slog.NewTextHandler(&log, nil))
		result, err := Build(t.Context(), o)
		require.NoError(t, err)
		there := filesOf(t, result)
		for _, name := range want {
			require.Contains(t, there, name, "prepared: %v", prepare)
		}
		require.NotContains(t, there, "app/libs/common/src/index.ts")
		require.NotContains(t, log.String(), "symbolic link")
		if !prepare {
			require.Contains(t, there, "app/libs/common/node_modules/nested/index.js")
		}
	}
}

// The archives of `yarn build:backend` can hold a plugin with its node_modules.
func TestANodeModulesInTheBundleStays(t *testing.T) {
	installer(t, "yarn", "yarn.lock")
	host := registrytest.Serve(t, nil)
	files := packed(t)
	files[backstage.Bundle] = registrytest.PackFiles(t, map[string]string{
		"packages/backend/package.json": `{"name":"backend","main":"dist/index.cjs.js"}`, "packages/backend/dist/index.cjs.js": "x",
		"plugins/x/dist-dynamic/node_modules/y/index.js": "bundled",
	})
	result, err := Build(t.Context(), options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
	require.NoError(t, err)
	require.Contains(t, filesOf(t, result), "app/plugins/x/dist-dynamic/node_modules/y/index.js")
}

// A link in what was installed that leads to nothing in the image is told, also when
// the build installed it itself.
func TestALinkToWhatIsNotInTheImageIsTold(t *testing.T) {
	host := registrytest.Serve(t, nil)
	files := portal()
	files["node_modules/tool"] = "-> ../tools/tool"
	files["tools/tool/index.js"] = "x"
	tree := writeTree(t, files)
	source := portal()
	remove(source, "node_modules/")
	o := options(writeTree(t, source), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	var log bytes.Buffer
	o.Trees, o.Log = map[string]string{"linux/amd64": tree}, slog.New(slog.NewTextHandler(&log, nil))
	_, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Contains(t, log.String(), "link=node_modules/tool target=tools/tool")
}

// Sources: moby/buildkit#3927, docker/buildx#2850.
func TestNamesMayHaveAnyBytes(t *testing.T) {
	host := registrytest.Serve(t, nil)
	files := portal()
	names := []string{"catalog/dossier-\xe9/café.yaml", "catalog/dossier-\xe9/plan-\xff", "catalog/日本/\U0001f600.yaml", "catalog/a\nb"}
	for _, name := range names {
		files[name] = name
	}
	files["catalog/link"] = "-> dossier-\xe9"
	result, err := Build(t.Context(), options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
	require.NoError(t, err)
	there := filesOf(t, result)
	for _, name := range names {
		require.Equal(t, name, there["app/"+name])
	}
}

// Sources: moby/moby#6521, uber-archive/makisu#282.
func TestWhatCannotBeReadIsNamed(t *testing.T) {
	for _, c := range []struct {
		name, mayNot, want string
		files              map[string]string
	}{
		{"a circle of links", "", `reading "packages/a": its symbolic links lead in a circle`, map[string]string{"packages/a": "-> b", "packages/b": "-> a"}},
		{"a folder", "packages/secret", `reading "packages/secret": this process may not`, map[string]string{"packages/secret/x": ""}},
		{"a file", "packages/x", `reading "packages/x": this process may not`, map[string]string{"packages/x": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.mayNot != "" && os.Geteuid() == 0 {
				t.Skip("root may read everything")
			}
			host := registrytest.Serve(t, nil)
			files := portal()
			maps.Copy(files, c.files)
			o := options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
			if c.mayNot != "" {
				require.NoError(t, os.Chmod(filepath.Join(o.Source, c.mayNot), 0))
				defer func() { _ = os.Chmod(filepath.Join(o.Source, c.mayNot), 0o700) }()
			}
			_, err := Build(t.Context(), o)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "[build/unreadable]")
			require.Equal(t, record.KindInput, record.KindOf(err))
		})
	}
}
