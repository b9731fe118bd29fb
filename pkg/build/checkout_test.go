package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// Sources: docker/build-push-action#312, actions/checkout#1019, #2208 (Git LFS);
// luxonis/depthai-python#101 (submodules).
func TestWhatACheckoutLeftOutIsTold(t *testing.T) {
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("4d", 32) + "\nsize 12345\n"
	files := portal()
	for name, content := range map[string]string{
		"packages/backend/dist/logo.png": pointer,
		"examples/about-lfs.md":          "A pointer begins with\n" + pointer,
		"docs/picture.png":               pointer,
		".gitmodules":                    "[submodule \"a\"]\n\tpath = examples/shared\n\turl = ../shared\n[submodule \"b\"]\n\tpath = docs/shared\n[submodule \"c\"]\n\tpath = \"examples/there\"\n",
		"examples/there/template.yaml":   "x",
	} {
		files[name] = content
	}
	dir := writeTree(t, files)
	for _, folder := range []string{"examples/shared", "docs/shared"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, folder), 0o755))
	}
	host := registrytest.Serve(t, nil)
	result, err := Build(t.Context(), options(dir, host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
	require.NoError(t, err)
	require.Equal(t, []string{
		"of these files the image has what Git LFS puts in their place, and not their content; check them out with lfs: true (actions/checkout): packages/backend/dist/logo.png",
		"these submodules of Git are empty, and so are their folders in the image; check them out with submodules: true (actions/checkout): examples/shared",
	}, result.Warnings)
}
