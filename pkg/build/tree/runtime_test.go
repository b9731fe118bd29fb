package tree_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
)

// Sources: red-hat-data-services/rhai-org-pulse#815 and yshalsager/logseq-selfhost#5
// (NODE_MODULE_VERSION), laverdet/isolated-vm#292 and julianhille/MuhammaraJS#347 (GLIBC):
// dependencies that were installed elsewhere end the application when it starts.
func TestCodeThatWasCompiledForAnotherNodeOrANewerGlibcIsTold(t *testing.T) {
	bookworm := tree.Runtime{LibC: "glibc", GlibC: "2.36", Node: "22.11.0"}
	module := func(version, function string) string { return treetest.Compiled("libc.so.6", version, function) }
	const newer = "was compiled for glibc 2.38, and the base image has 2.36: install the dependencies on a system that is no newer than the base image's, or take a newer base image"
	const other = "was compiled for Node.js 20, and the base image has 22.11.0: install the dependencies with the Node.js of the base image"
	for name, c := range map[string]struct {
		files   map[string]string
		runtime tree.Runtime
		want    string
	}{
		"for this Node.js":                 {map[string]string{"build/x.node": module("GLIBC_2.34", "node_register_module_v127")}, bookworm, ""},
		"for another Node.js":              {map[string]string{"build/x.node": module("GLIBC_2.34", "node_register_module_v115")}, bookworm, other},
		"for another, beside what is none": {map[string]string{"build/x.node": module("", "node_register_module_v115"), "build/test_extension.node": module("", "sqlite3_extension_init")}, bookworm, other},
		"for several":                      {map[string]string{"prebuilds/115.node": module("", "node_register_module_v115"), "prebuilds/127.node": module("", "node_register_module_v127")}, bookworm, ""},
		"for every Node.js":                {map[string]string{"build/x.node": module("GLIBC_2.14", "napi_register_module_v1")}, bookworm, ""},
		"for every one, and for an old":    {map[string]string{"build/x.node": module("", "napi_register_module_v1"), "build/old.node": module("", "node_register_module_v93")}, bookworm, ""},
		"for Electron":                     {map[string]string{"build/x.node": module("", "node_register_module_v145")}, bookworm, "was compiled for Node.js with NODE_MODULE_VERSION 145, and the base image has 22.11.0: install the dependencies with the Node.js of the base image"},
		"a base that does not tell":        {map[string]string{"build/x.node": module("GLIBC_2.38", "node_register_module_v115")}, tree.Runtime{LibC: "glibc", Node: "sha256:0123"}, ""},
		"a newer glibc":                    {map[string]string{"build/x.node": module("GLIBC_2.38", "napi_register_module_v1")}, bookworm, newer},
		"one for each glibc":               {map[string]string{"build/x.node": module("GLIBC_2.38", ""), "build/old.node": module("GLIBC_2.17", "")}, bookworm, ""},
		"versions are no decimals":         {map[string]string{"build/x.node": module("GLIBC_2.4", "")}, bookworm, ""},
		"cut off":                          {map[string]string{"build/x.node": module("GLIBC_2.38", "")[:200]}, bookworm, ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			for file, content := range c.files {
				files["node_modules/x/"+file] = content
			}
			root, err := os.OpenRoot(treetest.Write(t, files))
			require.NoError(t, err)
			defer root.Close()
			var entries []tree.Entry
			for file := range files {
				entries = append(entries, tree.Entry{Root: root, Path: file})
			}
			native, err := tree.FindNative(t.Context(), entries)
			require.NoError(t, err)
			unfit := native.Unfit("linux/amd64", c.runtime)
			if c.want == "" {
				require.Empty(t, unfit)
				return
			}
			require.Equal(t, []string{"node_modules/x " + c.want}, unfit)
		})
	}
}
