package workspace

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestNativeCodeThatNobodyBuiltIsNamed(t *testing.T) {
	native := map[string]string{
		"node_modules/better-sqlite3/binding.gyp":                "{}",
		"node_modules/better-sqlite3/package.json":               `{"name":"better-sqlite3"}`,
		"node_modules/@scope/vm/binding.gyp":                     "{}",
		"node_modules/built/binding.gyp":                         "{}",
		"node_modules/built/build/Release/built.node":            "x",
		"node_modules/ssh2/package.json":                         `{"optionalDependencies":{"cpu-features":"1"},"dependencies":{"cpu-features":"1"}}`,
		"node_modules/ssh2/lib/protocol/crypto/binding.gyp":      "{}",
		"node_modules/cpu-features/binding.gyp":                  "{}",
		"node_modules/fsevents/binding.gyp":                      "{}",
		"node_modules/fsevents/package.json":                     `{"os":["darwin"]}`,
		"node_modules/knex/package.json":                         `{"dependencies":{"better-sqlite3":"1","fsevents":"1"}}`,
		"package.json":                                           `{"workspaces":["packages/*"]}`,
		"packages/backend/package.json":                          `{"dependencies":{"@scope/vm":"1","built":"1"}}`,
		"node_modules/nested/node_modules/addon/src/binding.gyp": "{}",
	}
	dir := treetest.Write(t, native)
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	deps := &Installed{Root: root}
	for name := range native {
		if strings.HasPrefix(name, "node_modules/") {
			deps.Entries = append(deps.Entries, tree.Entry{Root: root, Path: name})
		}
	}
	for name, c := range map[string]struct{ allow, want string }{
		"npm":  {"", "@scope/vm, better-sqlite3: native code that install scripts build or download is missing, because they did not run; let those that you trust run (--allow-install-scripts @scope/vm --allow-install-scripts better-sqlite3)"},
		"yarn": {"", `"dependenciesMeta": {"@scope/vm": {"built": true}, "better-sqlite3": {"built": true}}`},
	} {
		err := (&Workspace{manager: manager{name: name}}).CheckBuilt(deps, nil)
		require.ErrorContains(t, err, c.want)
		require.ErrorContains(t, err, "[build/install-scripts]")
		require.Equal(t, record.KindInput, record.KindOf(err))
	}
	require.NoError(t, (&Workspace{}).CheckBuilt(deps, []string{"*"}), "who lets all run has them built")
}
