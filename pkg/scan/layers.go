//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/aquasecurity/trivy/pkg/cache"
	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/scan/oci"
	"github.com/stagecrew/stagecrew/pkg/scan/trivylog"
)

const (
	// maxLayerFindings is how large the file about one layer may be.
	maxLayerFindings = 256 << 20
	// layerAge is how long the file about a layer stays that no scan asks for.
	layerAge = 30 * 24 * time.Hour
)

// layerCache keeps what was found in layers, each in a file. Trivy's own cache would be
// locked by one process and forgets what else decides about the findings.
type layerCache struct {
	*cache.MemoryCache
	dir   string
	salt  string
	image *oci.Image
	log   *slog.Logger
	// missed knows of files that were not read, which is not kept with a layer.
	missed *trivylog.Missed
}

func (s session) layersOf(image *oci.Image) *layerCache {
	sum := sha256.New()
	_, _ = fmt.Fprintln(sum, version())
	if s.options.Secrets {
		// Trivy looks for secrets above the base image only, and guesses from the history
		// where that ends.
		for _, h := range image.Config.History {
			_, _ = fmt.Fprintf(sum, "%q %t\n", h.CreatedBy, h.EmptyLayer)
		}
	}
	return &layerCache{
		MemoryCache: cache.NewMemoryCache(),
		dir:         filepath.Join(s.options.CacheDir, "layers"),
		salt:        hex.EncodeToString(sum.Sum(nil)),
		image:       image,
		log:         s.log,
		missed:      s.missed,
	}
}

// path is where the findings of a layer are. Trivy's key has the layer's diff ID and
// the versions of the analyzers.
func (c *layerCache) path(key string) string {
	sum := sha256.Sum256([]byte(c.salt + "\n" + key))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:])+".json")
}

// MissingBlobs says which layers must be read.
func (c *layerCache) MissingBlobs(ctx context.Context, artifact string, keys []string) (bool, []string, error) {
	for _, key := range keys {
		found, err := c.load(key)
		if err != nil {
			continue
		}
		if err := c.MemoryCache.PutBlob(ctx, key, found); err != nil {
			return false, nil, err
		}
	}
	return c.MemoryCache.MissingBlobs(ctx, artifact, keys)
}

func (c *layerCache) load(key string) (fanal.BlobInfo, error) {
	path := c.path(key)
	content, err := files.Read(path, maxLayerFindings)
	if err != nil {
		return fanal.BlobInfo{}, err
	}
	var found fanal.BlobInfo
	if err := json.Unmarshal(content, &found); err != nil {
		return fanal.BlobInfo{}, err
	}
	if found.SchemaVersion != fanal.BlobJSONSchemaVersion {
		return fanal.BlobInfo{}, fmt.Errorf("it has schema %d", found.SchemaVersion)
	}
	// The same layer may be compressed otherwise in another image.
	diffID, err := v1.NewHash(found.DiffID)
	if err != nil {
		return fanal.BlobInfo{}, err
	}
	layer, err := c.image.Image.LayerByDiffID(diffID)
	if err != nil {
		return fanal.BlobInfo{}, err
	}
	digest, err := layer.Digest()
	if err != nil {
		return fanal.BlobInfo{}, err
	}
	found.Digest = digest.String()
	now := time.Now()
	_ = os.Chtimes(path, now, now)
	return found, nil
}

// PutBlob keeps what was found in a layer that was read without a problem.
func (c *layerCache) PutBlob(ctx context.Context, key string, found fanal.BlobInfo) error {
	if c.image.Trouble() == nil && !c.missed.Files.Any() {
		if err := c.save(key, found); err != nil {
			c.log.Debug("keeping the findings of a layer", "error", err)
		}
	}
	return c.MemoryCache.PutBlob(ctx, key, found)
}

func (c *layerCache) save(key string, found fanal.BlobInfo) error {
	content, err := json.Marshal(found)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.dir, 0o750); err != nil {
		return err
	}
	c.sweep()
	return files.Replace(c.path(key), content, 0o600)
}

// sweep removes what no scan asked for in a long time.
func (c *layerCache) sweep() {
	files, _ := os.ReadDir(c.dir)
	for _, file := range files {
		if info, err := file.Info(); err == nil && time.Since(info.ModTime()) > layerAge {
			_ = os.Remove(filepath.Join(c.dir, file.Name()))
		}
	}
}
