package scantest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The media types and the file name of the public database's artifact.
const (
	layerType  = types.MediaType("application/vnd.aquasec.trivy.db.layer.v1.tar+gzip")
	configType = types.MediaType("application/vnd.aquasec.trivy.config.v1+json")
	layerTitle = "db.tar.gz"
)

// Push makes a database with all advisories and pushes it as an OCI artifact to ref,
// for example HOST/aquasecurity/trivy-db:2.
func Push(ctx context.Context, ref string) error { return Database{}.Push(ctx, ref) }

// PushEmpty pushes a database that is in order but has no advisories.
func PushEmpty(ctx context.Context, ref string) error { return Database{Empty: true}.Push(ctx, ref) }

// Push makes the database and pushes it as an OCI artifact to ref, with the
// credentials of Docker's configuration.
func (d Database) Push(ctx context.Context, ref string) error {
	to, err := name.ParseReference(ref)
	if err != nil {
		return fmt.Errorf("parsing reference %q: %w", ref, err)
	}
	artifact, err := d.artifact()
	if err != nil {
		return fmt.Errorf("making database: %w", err)
	}
	if err := remote.Write(to, artifact, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("pushing database to %q: %w", ref, err)
	}
	return nil
}

func (d Database) artifact() (v1.Image, error) {
	dir, err := os.MkdirTemp("", "scantest-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := d.Build(dir); err != nil {
		return nil, err
	}
	content, err := pack(dir, "trivy.db", "metadata.json")
	if err != nil {
		return nil, err
	}
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:       static.NewLayer(content, layerType),
		Annotations: map[string]string{"org.opencontainers.image.title": layerTitle},
		MediaType:   layerType,
	})
	if err != nil {
		return nil, err
	}
	return mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), configType), nil
}

func pack(dir string, names ...string) ([]byte, error) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zip)
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := archive.Write(content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}
