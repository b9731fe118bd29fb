package build

import (
	"archive/tar"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/tags"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTheLayersHoldWhatTheApplicationNeedsAndNothingElse(t *testing.T) {
	host := registrytest.Serve(t, nil)
	result, err := Build(t.Context(), options(writeTree(t, portal()), host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
	require.NoError(t, err)

	layers, err := registrytest.Pull(t, result.Image).Layers()
	require.NoError(t, err)
	require.Len(t, layers, len(result.Layers))
	var listing strings.Builder
	for i, l := range layers {
		if result.Layers[i].Name == LayerBase {
			continue
		}
		fmt.Fprintf(&listing, "# %s\n", result.Layers[i].Name)
		content, err := l.Uncompressed()
		require.NoError(t, err)
		list(t, &listing, content)
	}
	golden := filepath.Join("testdata", "layers.golden")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(listing.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), listing.String())
}

func list(t *testing.T, w io.Writer, content io.ReadCloser) {
	t.Helper()
	defer content.Close()
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		target := ""
		if h.Linkname != "" {
			target = " -> " + h.Linkname
		}
		fmt.Fprintf(w, "%c %04o %d:%d %s %4d %s%s %s\n", h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.UTC().Format(time.RFC3339), h.Size, h.Name, target, h.Format)
	}
}

func TestTheImageSaysHowItRunsAndWhatItIs(t *testing.T) {
	host := registrytest.Serve(t, nil)
	for _, dialect := range []types.MediaType{types.OCIManifestSchema1, types.DockerManifestSchema2} {
		t.Run(string(dialect), func(t *testing.T) {
			base := registrytest.PushBase(t, host, dialect)
			o := options(writeTree(t, portal()), host, base)
			o.Created = time.Date(2026, 11, 23, 10, 0, 0, 5, time.UTC)
			result, err := Build(t.Context(), o)
			require.NoError(t, err)

			image := registrytest.Pull(t, result.Image)
			config, err := image.ConfigFile()
			require.NoError(t, err)
			require.Equal(t, "1000:1000", config.Config.User)
			require.Equal(t, "/app", config.Config.WorkingDir)
			require.Equal(t, []string{"docker-entrypoint.sh"}, config.Config.Entrypoint)
			require.Equal(t, []string{"node", "packages/backend", "--config", "app-config.yaml", "--config", "app-config.production.yaml"}, config.Config.Cmd)
			require.Equal(t, []string{"PATH=/usr/bin", "NODE_ENV=production", "NODE_OPTIONS=--enable-source-maps --no-node-snapshot"}, config.Config.Env)
			require.Contains(t, config.Config.ExposedPorts, "7007/tcp")
			require.Equal(t, "2026-11-23T10:00:00Z", config.Created.UTC().Format(time.RFC3339Nano))

			resolved := registrytest.Find(t, base)
			require.Equal(t, resolved, result.Base)
			labels := map[string]string{
				"org.opencontainers.image.created":     "2026-11-23T10:00:00Z",
				"org.opencontainers.image.version":     "1.0.0",
				"org.opencontainers.image.revision":    "abc",
				"org.opencontainers.image.source":      "https://example.com/repo",
				"org.opencontainers.image.base.name":   base,
				"org.opencontainers.image.base.digest": resolved.Digest,
			}
			require.NotEmpty(t, config.Config.Labels[migrations.ListLabel])
			delete(config.Config.Labels, migrations.ListLabel)
			require.Equal(t, labels, config.Config.Labels)
			manifest, err := image.Manifest()
			require.NoError(t, err)
			require.Equal(t, dialect, manifest.MediaType)
			if dialect == types.OCIManifestSchema1 {
				require.Equal(t, labels, manifest.Annotations)
			}
			require.Len(t, config.RootFS.DiffIDs, len(manifest.Layers))
		})
	}
}

func TestTheSameInputsGiveTheSameDigest(t *testing.T) {
	host := registrytest.Serve(t, nil)
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	first := writeTree(t, portal())
	second := writeTree(t, portal())
	// The copy has other times and the modes of another umask.
	require.NoError(t, filepath.WalkDir(second, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Type()&os.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		require.NoError(t, err)
		require.NoError(t, os.Chtimes(path, time.Time{}, time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)))
		return os.Chmod(path, info.Mode()&^0o077)
	}))
	one, err := Build(t.Context(), options(first, host, base))
	require.NoError(t, err)
	two, err := Build(t.Context(), options(second, host, base))
	require.NoError(t, err)
	require.Equal(t, one.Image, two.Image)

	require.NoError(t, os.Chmod(filepath.Join(second, "catalog-info.yaml"), 0o700))
	other, err := Build(t.Context(), options(second, host, base))
	require.NoError(t, err)
	require.NotEqual(t, one.Image, other.Image, "an executable bit is part of the content")
}

func TestOnlyMissingBlobsAreSentAndNoTagIsWritten(t *testing.T) {
	var mu sync.Mutex
	var puts []string
	host := registrytest.Serve(t, func(r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/team/") {
			mu.Lock()
			defer mu.Unlock()
			puts = append(puts, r.URL.Path)
		}
	})
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	files := portal()
	first, err := Build(t.Context(), options(writeTree(t, files), host, base))
	require.NoError(t, err)
	for _, l := range first.Layers {
		require.Equal(t, l.Name != LayerBase, l.Uploaded, "%s: the base's layers are already in this registry", l.Name)
		require.Positive(t, l.Size)
	}
	require.Equal(t, fmt.Sprintf("/v2/team/backstage/manifests/%s", first.Image.Digest), puts[len(puts)-1])
	for _, path := range puts[:len(puts)-1] {
		require.Contains(t, path, "/blobs/uploads/")
	}

	files["app-config.yaml"] += "# changed\n"
	second, err := Build(t.Context(), options(writeTree(t, files), host, base))
	require.NoError(t, err)
	require.NotEqual(t, first.Image, second.Image)
	for i, l := range second.Layers {
		require.Equal(t, l.Name == LayerConfiguration, l.Uploaded, l.Name)
		require.Equal(t, l.Name != LayerConfiguration, l.Digest == first.Layers[i].Digest, l.Name)
	}
}

func TestABaseFromAnotherRegistryIsCopied(t *testing.T) {
	here, there := registrytest.Serve(t, nil), registrytest.Serve(t, nil)
	result, err := Build(t.Context(), options(writeTree(t, portal()), here, registrytest.PushBase(t, there, types.OCIManifestSchema1)))
	require.NoError(t, err)
	for _, l := range result.Layers {
		require.True(t, l.Uploaded, l.Name)
	}
}

func TestATagMovesWithoutChangingTheDigest(t *testing.T) {
	host := registrytest.Serve(t, nil)
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	o := options(writeTree(t, portal()), host, base)
	for range 2 {
		result, err := Build(t.Context(), o)
		require.NoError(t, err)
		_, err = tags.Apply(t.Context(), hasty, result.Image, []tags.Move{{Tag: "nightly"}})
		require.NoError(t, err)
		require.Equal(t, result.Image, registrytest.Find(t, o.Repository+":nightly"))
		o.Version = "1.0.1"
	}
}

func TestAPlatformIsChosenFromAnIndex(t *testing.T) {
	host := registrytest.Serve(t, nil)
	var index v1.ImageIndex = empty.Index
	want := map[string]string{}
	for _, architecture := range []string{"amd64", "arm64"} {
		image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: architecture})
		require.NoError(t, err)
		digest, err := image.Digest()
		require.NoError(t, err)
		want[architecture] = digest.String()
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}})
	}
	ref, err := name.ParseReference(host + "/library/node:24")
	require.NoError(t, err)
	require.NoError(t, remote.WriteIndex(ref, index))

	o := options(writeTree(t, portal()), host, ref.String())
	o.Platform = "linux/arm64"
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, want["arm64"], result.Base.Digest)
	o.Platform = "linux/riscv64"
	_, err = Build(t.Context(), o)
	require.ErrorContains(t, err, "[build/base-platform]")
	require.Equal(t, record.KindInput, record.KindOf(err))
}
