package build

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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

// TestWhatIsNamedIsThereAndSaid, and so are the files of templates (nextlyhq/nextly#764).
func TestWhatIsNamedIsThereAndSaid(t *testing.T) {
	host := registrytest.Serve(t, nil)
	files := portal()
	files["deploy/tls.key"], files["deploy/.env"], files[".git-credentials"] = "-----BEGIN PRIVATE KEY-----\nMIIE\n", "x", "x"
	files["examples/template/content/.npmrc"], files["examples/template/content/.env.example"] = "engine-strict=true", "x"
	files["examples/template/content/.env"] = "TOKEN=ghp_" + strings.Repeat("a1B2", 9)
	var log bytes.Buffer
	o := options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	o.Include = []string{"deploy", "deploy/tls.key", ".npmrc", ".git-credentials"}
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	there := filesOf(t, result)
	for path, want := range map[string]bool{
		"deploy/tls.key": true, "deploy/.env": false, ".npmrc": true, ".git-credentials": false,
		"examples/template/content/.npmrc": true, "examples/template/content/.env.example": true, "examples/template/content/.env": false,
	} {
		_, is := there["app/"+path]
		require.Equal(t, want, is, path)
	}
	require.Contains(t, log.String(), `part of the image, because the build's includes name it" path=deploy/tls.key reason="private key"`)
	require.Contains(t, log.String(), `path=.npmrc reason="login of a package registry"`)
	require.Contains(t, log.String(), `left out of the image, also where the build's includes name it" path=.git-credentials`)
	require.Contains(t, log.String(), `path=examples/template/content/.env reason=token`)
}
