package registry

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxConfigSize bounds the configuration of an image, in bytes.
const maxConfigSize = 8 << 20

// The tags under which builds keep layers for later ones: they are no image's.
const (
	CacheTag      = "stagecrew-cache-" // and the key of the layer
	BuildCacheTag = "stagecrew-buildcache"
)

// Platforms lists the platforms that an image has, such as "linux/amd64", sorted; not those
// whose image an index names, and the registry does not have.
// The credentials are those of .dockerconfigjson documents of Kubernetes, and no
// others. An error is of kind refused when the registry says that there is no such
// image for them, and of kind unavailable when it cannot be told from here.
func (a Access) Platforms(ctx context.Context, reference string, dockerconfigjson [][]byte) ([]string, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, record.Refused("build/image-not-found", "parsing image %q: %w", reference, err)
	}
	secrets, err := readPullSecrets(dockerconfigjson)
	if err != nil {
		return nil, record.Refused("build/registry-denied", "%w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	c := a.Connect()
	c.Keys = secrets
	descriptor, err := c.Get(ctx, ref)
	if err != nil {
		return nil, pullError(err, reference)
	}
	entries, err := c.Entries(ctx, ref.Context(), descriptor)
	if err != nil {
		return nil, pullError(err, reference)
	}
	if len(entries) == 0 {
		return nil, record.Refused("build/image-not-found", "looking for image %q: its index names no image", reference)
	}
	var found []string
	var gone error
	for _, e := range entries {
		if err := c.missing(ctx, ref.Context(), e); err != nil {
			gone = err
			continue
		}
		found = append(found, e.Platform.OS+"/"+e.Platform.Architecture)
	}
	if len(found) == 0 {
		return nil, pullError(gone, reference)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// missing is an error for an entry that the registry says it does not have; one that was
// read is there.
func (c *Client) missing(ctx context.Context, repo name.Repository, e Entry) error {
	if e.image != nil {
		return nil
	}
	err := c.lookFor(ctx, repo.Digest(e.Digest.String()))
	if !IsNotFound(err) {
		return nil // or it cannot be told
	}
	return GoneFrom(repo, e.Digest.String(), err)
}

// pullError tells an image that is not there for the kubelet from one that could
// not be looked for.
func pullError(err error, reference string) error {
	var answer *transport.Error
	if errors.As(err, &answer) {
		switch answer.StatusCode {
		case http.StatusNotFound, http.StatusGone:
			if sorted, ok := errors.AsType[*record.Error](err); ok {
				err = sorted.Err // it has its code already
			}
			return record.Refused("build/image-not-found", "looking for image %q: %w", reference, Shown(err))
		case http.StatusUnauthorized, http.StatusForbidden:
			return record.Refused("build/registry-denied", "looking for image %q with the pull secrets: %w", reference, Shown(err))
		}
	}
	return Wrap(err, "looking for image %q", reference)
}

// ConfigOf reads the configuration of an image, of bounded size.
func ConfigOf(image v1.Image) (*v1.ConfigFile, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return nil, Wrap(err, "reading its manifest")
	}
	if manifest.Config.Size > maxConfigSize {
		return nil, record.BadInput("build/base-platform", "its configuration has %d bytes, the limit is %d", manifest.Config.Size, maxConfigSize)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, Wrap(err, "reading its configuration")
	}
	return config, nil
}

// Startable gives the configuration of an image that a runtime can start: charts, SBOMs
// and other artifacts have the form of an image, too, and a runtime wants a layer for each
// that the configuration names ("mismatched image rootfs and manifest layers").
func Startable(image v1.Image) (*v1.ConfigFile, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return nil, Wrap(err, "reading its manifest")
	}
	if !manifest.Config.MediaType.IsConfig() {
		return nil, record.BadInput("build/no-image", "it is no image that can run, its configuration is %s", text.Line(string(manifest.Config.MediaType), 100))
	}
	config, err := ConfigOf(image)
	if err == nil && len(config.RootFS.DiffIDs) != len(manifest.Layers) {
		return nil, record.BadInput("build/no-image", "no runtime starts it: it has %d layers, but its configuration knows %d", len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	return config, err
}

// RepositoryName is HOST[:PORT]/PATH in lower case, as registries want it: the name
// of a GitHub repository may have capitals.
func RepositoryName(s string) (string, error) {
	repository, err := record.ParseRepository(strings.ToLower(s))
	if err != nil {
		return "", record.BadInput("build/options", "%w", err)
	}
	return repository, nil
}
