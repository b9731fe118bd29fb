package oci

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// Local is a [v1.Image] or a [v1.ImageIndex] of go-containerregistry.
type Local interface {
	MediaType() (types.MediaType, error)
	Digest() (v1.Hash, error)
	RawManifest() ([]byte, error)
}

// maxImage is how many unpacked bytes an image may have.
const maxImage = 32 << 30

// Unusable is the error of an image that is not as an image must be.
func Unusable(image string, err error) error {
	return record.Unavailable("scan/image-unusable", "reading image %q: %w", image, text.Error(err, 400))
}
