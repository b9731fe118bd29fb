package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// large is what an image has at least, in bytes as they travel.
const large = 300_000_000

// What the verdict takes where images are large: two releases of Backstage in a registry, each with
// a file in its own layer that no one can compress.
func TestMigrationsOfLargeImages(t *testing.T) {
	if os.Getenv("E2E_REAL") == "" {
		t.Skip("two releases of Backstage from the npm registry: make e2e-migration-pairs")
	}
	h := newTarget(t, "e2e-large")
	content, err := os.ReadFile(filepath.Join("testdata", "releases.json"))
	require.NoError(t, err)
	var known map[string]release
	require.NoError(t, json.Unmarshal(content, &known))
	noise := make([]byte, 200<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	images := map[string]string{}
	for _, version := range []string{"1.54", "1.55"} {
		noise[0]++
		source := copied(t, installed(t, version, known[version]), map[string]string{"packages/backend/dist/noise": string(noise)})
		images[version] = h.built(source, version+".2")
		require.Greater(t, size(t, images[version]), int64(large))
	}
	for range 3 {
		o := stagecrew(t, "migrations", "--from", images["1.54"], "--to", images["1.55"], "--output", "json")
		require.Equal(t, 1, o.exit)
		m := o.record.Migrations
		require.Equal(t, record.RollbackNeedsDatabase, m.Rollback)
		t.Logf("verdict: %.2f s, %d bytes of two images of %d and %d", m.Seconds, m.Bytes, size(t, images["1.54"]), size(t, images["1.55"]))
		require.Less(t, m.Seconds, verdictTime)
		require.Less(t, m.Bytes, int64(verdictBytes))
	}
}

// size is what an image takes to be pulled.
func size(t *testing.T, image string) (bytes int64) {
	t.Helper()
	reference, err := name.ParseReference(image)
	require.NoError(t, err)
	found, err := remote.Image(reference, remote.WithContext(t.Context()))
	require.NoError(t, err)
	layers, err := found.Layers()
	require.NoError(t, err)
	for _, layer := range layers {
		n, err := layer.Size()
		require.NoError(t, err)
		bytes += n
	}
	return bytes
}
