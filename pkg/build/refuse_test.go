package build

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

func TestAWorkspaceThatCannotRunIsRefusedWithTheCommandThatMendsIt(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(map[string]string)
		want   []string
	}{
		{"no package.json", func(f map[string]string) { delete(f, "package.json") }, []string{"[build/no-workspace]"}},
		{"no lockfile", func(f map[string]string) { delete(f, "package-lock.json") }, []string{"[build/no-lockfile]"}},
		{"no node_modules", func(f map[string]string) { remove(f, "node_modules/") }, []string{"npm ci --omit=dev --ignore-scripts", "[build/no-dependencies]"}},
		{"no node_modules, installed with yarn", func(f map[string]string) { remove(f, "node_modules/"); f["yarn.lock"] = "" }, []string{"yarn workspaces focus --all --production", "[build/no-dependencies]"}},
		{"no backend", func(f map[string]string) { remove(f, "packages/backend/") }, []string{"packages/backend/package.json", "[build/no-backend]"}},
		{"a backend that is not built", func(f map[string]string) { remove(f, "packages/backend/dist/") }, []string{"npm run build", "[build/no-backend]"}},
		{"a backend whose bundle is still packed", func(f map[string]string) { delete(f, "packages/backend/dist/index.cjs.js") }, []string{"tar -xzf packages/backend/dist/bundle.tar.gz", "[build/no-backend]"}},
		{"a backend with a broken package.json", func(f map[string]string) { f["packages/backend/package.json"] = "{" }, []string{"[build/no-backend]"}},
		{"no configuration", func(f map[string]string) { delete(f, "app-config.yaml") }, []string{"app-config.yaml is missing", "[build/no-config]"}},
		{"several things missing", func(f map[string]string) { delete(f, "app-config.yaml"); remove(f, "node_modules/") }, []string{"[build/no-config]", "[build/no-dependencies]"}},
		{"an absolute link", func(f map[string]string) { f["packages/app/dist/x"] = "-> /etc/passwd" }, []string{`"/etc/passwd"`, "[build/link-leaves-source]"}},
		{"a link that climbs out", func(f map[string]string) { f["packages/app/dist/x"] = "-> ../../../../etc" }, []string{"[build/link-leaves-source]"}},
		{"a link that climbs out through another", func(f map[string]string) {
			f["packages/app/dist/deep"] = "-> ../.."
			f["packages/app/dist/x"] = "-> deep/../.."
		}, []string{"[build/link-leaves-source]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := portal()
			c.change(files)
			// No registry listens there: the workspace is looked at first.
			_, err := Build(t.Context(), options(writeTree(t, files), "127.0.0.1:1", "127.0.0.1:1/node:24"))
			require.Equal(t, record.KindInput, record.KindOf(err))
			for _, part := range c.want {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func remove(files map[string]string, prefix string) {
	for name := range files {
		if strings.HasPrefix(name, prefix) {
			delete(files, name)
		}
	}
}

func TestASocketIsRefused(t *testing.T) {
	files := portal()
	dir := writeTree(t, files)
	// A socket's path is short by the system's rule, a test folder's is not.
	t.Chdir(filepath.Join(dir, "packages"))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", "s")
	require.NoError(t, err)
	defer listener.Close()
	_, err = Build(t.Context(), options(dir, "127.0.0.1:1", "127.0.0.1:1/node:24"))
	require.ErrorContains(t, err, `"packages/s" is a socket`)
	require.ErrorContains(t, err, "[build/odd-file]")
}

// opencontainers/image-spec#1301: runtimes would remove what the name stands for, or refuse
// the image ("invalid whiteout name").
func TestANameThatRemovesAFileIsRefused(t *testing.T) {
	for _, name := range []string{"packages/backend/dist/.wh.index.cjs.js", "packages/backend/.wh..wh..opq", "node_modules/left-pad/.wh."} {
		files := portal()
		files[name] = "x"
		_, err := Build(t.Context(), options(writeTree(t, files), "127.0.0.1:1", "127.0.0.1:1/node:24"))
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "[build/odd-file]")
	}
}

func TestFurtherFilesAreIncludedByName(t *testing.T) {
	host := registrytest.Serve(t, nil)
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	o := options(writeTree(t, portal()), host, base)
	without, err := Build(t.Context(), o)
	require.NoError(t, err)
	o.Include = []string{"notes.txt", "packages/app"}
	with, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.NotEqual(t, without.Image, with.Image)
	o.Include = []string{"nowhere"}
	_, err = Build(t.Context(), o)
	require.ErrorContains(t, err, "[build/no-include]")
}

func TestAllProblemsOfTheOptionsAreReportedAtOnce(t *testing.T) {
	err := Options{Platform: "windows/amd64,linux/x86_64", Include: []string{"../x"}, Timeout: -1}.Validate()
	for _, part := range []string{"source is missing", "base image is missing", "repository is missing", "windows/amd64", "images call it linux/amd64", `"../x"`, "negative", "[build/options]"} {
		require.ErrorContains(t, err, part)
	}
	require.Equal(t, record.KindInput, record.KindOf(err))
	require.ErrorContains(t, Options{}.Validate(), `platform "": want linux/ARCHITECTURE, for example`)
	require.NoError(t, Options{Source: ".", BaseImage: "node:24", Repository: "registry.example.com/a/b", Platform: "linux/amd64"}.Validate())
}

func TestABuildThatTakesTooLongSaysSo(t *testing.T) {
	host := registrytest.Serve(t, nil)
	o := options(writeTree(t, portal()), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	o.Timeout = 1
	_, err := Build(t.Context(), o)
	require.ErrorContains(t, err, "not done after 1ns")
	require.ErrorContains(t, err, "[build/timeout]")
	require.Equal(t, record.KindUnavailable, record.KindOf(err))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Build(cancelled, o)
	require.NotContains(t, err.Error(), "[build/timeout]", "whoever cancelled it knows")
}

func TestARegistryThatIsDownIsUnavailableAndLeavesNoFiles(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	host := registrytest.Serve(t, nil)
	o := options(writeTree(t, portal()), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	o.Repository = "127.0.0.1:1/team/backstage"
	_, err := Build(t.Context(), o)
	require.ErrorContains(t, err, "[build/registry-unavailable]")
	require.Equal(t, record.KindUnavailable, record.KindOf(err))
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}
