package build

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/sensitive/sensitivetest"
)

// TestWhatHoldsCredentialsIsLeftOutAndTold: a checkout in which somebody works has
// them (immich-power-tools/immich-power-tools#304), and .git/config has a token
// (SwissDataScienceCenter/renku-python#2269).
func TestWhatHoldsCredentialsIsLeftOutAndTold(t *testing.T) {
	host := registrytest.Serve(t, nil)
	files := portal()
	for _, s := range sensitivetest.Paths {
		files["catalog/"+s.Path] = s.Content
	}
	var log bytes.Buffer
	o := options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	there := filesOf(t, result)
	for _, s := range sensitivetest.Paths {
		_, is := there["app/catalog/"+s.Path]
		require.Equal(t, s.Why == "", is, s.Path)
	}
	require.Contains(t, log.String(), "path=catalog/.aws reason=\"credentials of a tool\"")
	require.Contains(t, log.String(), "and more that is left out")
}

func TestLinksAreNotFollowedToWhatIsLeftOut(t *testing.T) {
	host := registrytest.Serve(t, nil)
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	for name, link := range map[string][2]string{
		"the folder itself":        {".git", "catalog"},
		"by another link":          {"detour", "catalog"},
		"a configuration":          {"app-config.local.yaml", "app-config.prod2.yaml"},
		"a folder below by a link": {"detour/hooks", "examples"},
	} {
		t.Run(name, func(t *testing.T) {
			files := portal()
			remove(files, "catalog/")
			remove(files, "examples/")
			files[".git/config"], files[".git/hooks/x"], files["app-config.local.yaml"] = "hush", "hush", "hush"
			dir := writeTree(t, files)
			require.NoError(t, os.Symlink(".git", filepath.Join(dir, "detour")))
			require.NoError(t, os.Symlink(link[0], filepath.Join(dir, link[1])))
			result, err := Build(t.Context(), options(dir, host, base))
			require.NoError(t, err)
			for path, content := range filesOf(t, result) {
				require.NotContains(t, content, "hush", path)
			}
		})
	}
}
