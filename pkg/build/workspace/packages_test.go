package workspace

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
)

func rootOf(t *testing.T, files map[string]string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(treetest.Write(t, files))
	require.NoError(t, err)
	t.Cleanup(func() { _ = root.Close() })
	return root
}

// Sources: npm's map-workspaces and Yarn's globby; hyperlane-xyz/hyperlane-monorepo#7513
// and nrwl/nx-recipes#19 (nested), yarnpkg/berry#1721 and oven-sh/bun#43399 (negation, and
// how npm reads its spellings), yarnpkg/berry#1513 (folders that are never looked in),
// yarnpkg/berry#6224 (packages with workspaces of their own), npm/npm#8724 (mark).
func TestPackagesAreFoundByAnyPatternThatThePackageManagersTake(t *testing.T) {
	there := map[string]string{
		"packages/app/package.json": "{}", "packages/app/node_modules/x/package.json": "{}", "packages/app/src/a.ts": "",
		"plugins/a/package.json": "{}", "plugins/group/b/package.json": "{}", "plugins/group/deep/c/package.json": `{"workspaces":["inner/*"]}`,
		"plugins/group/deep/c/inner/d/package.json": "{}", "libs/common/package.json": "{}", "plugins/old/package.json": "{}",
		"plugins/circle": "-> ..", "libs/there": "-> ../libs/common", "empty/x/readme.md": "",
	}
	for _, c := range []struct {
		name, workspaces string
		want             []string
	}{
		{"none", `null`, nil},
		{"one level", `["packages/*","libs/common"]`, []string{"libs/common", "packages/app"}},
		{"an object", `{"packages":["packages/*"],"nohoist":["x"]}`, []string{"packages/app"}},
		{"any level", `["plugins/**"]`, []string{"plugins/a", "plugins/group/b", "plugins/group/deep/c", "plugins/group/deep/c/inner/d", "plugins/old"}},
		{"braces", `["{packages,libs}/*"]`, []string{"libs/common", "packages/app"}},
		{"all but one", `["plugins/*","!plugins/old"]`, []string{"plugins/a"}},
		{"all but one, as shells write it", `["./plugins/*","!./plugins/old"]`, []string{"plugins/a"}},
		{"all but one, with a slash behind", `["plugins/*","!plugins/old/"]`, []string{"plugins/a"}},
		{"as shells write it", `["./packages/*/","libs//common"]`, []string{"libs/common", "packages/app"}},
		{"packages of packages", `["plugins/group/deep/*"]`, []string{"plugins/group/deep/c", "plugins/group/deep/c/inner/d"}},
		{"nothing fits", `["empty/*","no/*"]`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			there["package.json"] = "\uFEFF" + `{"workspaces":` + c.workspaces + `}`
			folders, err := Folders(rootOf(t, there))
			require.NoError(t, err)
			require.Equal(t, c.want, append([]string(nil), folders...))
		})
	}
	there["package.json"] = `{"workspaces":["packages/["]}`
	_, err := Folders(rootOf(t, there))
	require.ErrorContains(t, err, `pattern "packages/["`)
	require.ErrorContains(t, err, "[build/no-workspace]")
}

// Sources: hhyqhh/inno-agent#240 (an archive), backstage/backstage#26916 (patches), Yarn's
// documents of its protocols.
func TestWhatIsAskedForByPathIsTakenAlong(t *testing.T) {
	there := map[string]string{
		"vendor/x.tgz": "x", "vendor/copied/package.json": "{}", "vendor/linked/package.json": `{"dependencies":{"next":"file:../next"}}`,
		"vendor/next/package.json": "{}", ".yarn/patches/pg.patch": "x", "fixes/knex.patch": "x", "packages/a/local.js": "x", "packages/b/package.json": "{}",
		"yarn.lock": "", "package-lock.json": "{}", "mended/d.patch": "x",
	}
	dependencies := map[string]any{
		"x": "file:vendor/x.tgz", "y": "file:./vendor/copied", "z": "portal:vendor/linked", "again": "link:vendor/linked",
		"pg": "patch:pg@npm%3A8.0.0#~/.yarn/patches/pg.patch", "knex": "patch:knex@npm%3A3.0.0#optional!builtin<compat/knex>&./fixes/knex.patch::version=3.0.0",
		"out": "file:../elsewhere", "absolute": "file:/etc/passwd", "gone": "file:gone.tgz", "own": "workspace:^", "range": "^1.0.0", "git": "github:a/b", "b": "file:packages/b",
	}
	for _, c := range []struct {
		name, manager string
		files, links  []string
	}{
		{"Yarn", "yarn@4.5.0", []string{".yarn/patches/pg.patch", "fixes/knex.patch", "mended/d.patch", "packages/a/local.js", "vendor/copied", "vendor/x.tgz"}, []string{"vendor/linked"}},
		{"npm, which links folders", "npm@10.0.0", []string{".yarn/patches/pg.patch", "fixes/knex.patch", "mended/d.patch", "packages/a/local.js", "vendor/x.tgz"}, []string{"vendor/copied", "vendor/linked", "vendor/next"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := json.Marshal(map[string]any{"packageManager": c.manager, "workspaces": []string{"packages/*"}, "dependencies": dependencies, "patchedDependencies": map[string]string{"d@1.0.0": "mended/d.patch", "e": "../e.patch"}})
			require.NoError(t, err)
			there["package.json"], there["packages/a/package.json"] = string(text), `{"overrides":{"deep":{"q":"./local.js"}}}`
			root := rootOf(t, there)
			packages, err := packageFiles(root)
			require.NoError(t, err)
			near := localOf(root, packages)
			if c.manager[0] == 'y' { // its folders are copied, and so is what the linked one asks for
				c.files = append(c.files[:5:5], "vendor/next", c.files[5])
			}
			require.Equal(t, c.files, near.files)
			require.Equal(t, c.links, near.links)
			folders, err := Folders(root)
			require.NoError(t, err)
			require.Subset(t, folders, c.links, "the image has what node_modules has links to")
		})
	}
}

func TestTheSettingsOfYarnNameWhatAnInstallReads(t *testing.T) {
	s := readYarnSettings(rootOf(t, map[string]string{".yarnrc.yml": "\uFEFFyarnPath: tools/yarn.cjs\ncacheFolder: ./cache\nplugins:\n  - path: tools/plugin.cjs\n    spec: x\n  - tools/other.cjs\n  - path: ../out.cjs\n"}))
	require.Equal(t, []string{"tools/yarn.cjs", "tools/plugin.cjs", "tools/other.cjs"}, s.inputs())
	require.Contains(t, s.caches(), ".yarn/cache")
	require.Contains(t, s.caches(), "cache")
	require.Empty(t, readYarnSettings(rootOf(t, map[string]string{".yarnrc.yml": "{"})).inputs())
}
