package sign

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ggcr "github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

func (s *store) bundles(ctx context.Context, wanted sought) ([]entry, error) {
	index, err := ociremote.Referrers(s.digest, "", s.options...)
	if err != nil {
		return nil, err
	}
	var all []entry
	left := int64(maxEntries)
	for _, m := range index.Manifests {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if wanted.other(m.Annotations, bundleType) {
			continue
		}
		if len(all) == maxSignatures {
			return nil, errTooMany
		}
		if m.Size > maxAnswer {
			all = append(all, entry{format: record.SignatureBundle, problem: fmt.Errorf("its manifest has %d bytes", m.Size)})
			continue
		}
		e, fits, err := s.referrer(ctx, m.Digest, wanted, &left)
		switch {
		case registry.IsNotFound(err):
			s.missing(m.Digest)
		case err != nil:
			return nil, err
		case fits:
			all = append(all, e)
		}
	}
	return all, nil
}

// referrer reads a manifest that refers to the image. What kind it is of is told by
// its layer: not all registries list the type of an artifact as it was written.
func (s *store) referrer(ctx context.Context, digest v1.Hash, wanted sought, left *int64) (e entry, isWanted bool, err error) {
	image, err := remote.Image(s.digest.Digest(digest.String()), s.client.Options(ctx)...)
	if err != nil {
		return e, false, err
	}
	manifest, err := image.Manifest()
	if err != nil || len(manifest.Layers) != 1 || !strings.HasPrefix(string(manifest.Layers[0].MediaType), bundleLayer) {
		return e, false, err
	}
	if wanted.other(manifest.Annotations, bundleType) {
		return e, false, nil
	}
	if err := fits(manifest.Layers[0].Size, left); err != nil {
		return entry{format: record.SignatureBundle, problem: err}, true, nil
	}
	layer, err := image.LayerByDigest(manifest.Layers[0].Digest)
	if err != nil {
		return e, false, err
	}
	content, err := layer.Compressed()
	if err != nil {
		return e, false, err
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil {
		return entry{format: record.SignatureBundle, problem: err}, true, unanswered(err)
	}
	whole := &bundle.Bundle{}
	return entry{format: record.SignatureBundle, bundle: whole, problem: whole.UnmarshalJSON(text)}, true, nil
}

// forgetGone takes what is gone off the list of referrers, where that is a tag:
// registries take no list that names what they do not have.
func (s *store) forgetGone(ctx context.Context) error {
	if len(s.gone) == 0 {
		return nil
	}
	tag := s.digest.Context().Tag(strings.Replace(s.digest.DigestStr(), ":", "-", 1))
	list, err := remote.Index(tag, s.client.Options(ctx)...)
	if registry.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	rest := ggcr.RemoveManifests(list, func(d v1.Descriptor) bool { return slices.Contains(s.gone, d.Digest.String()) })
	if err := remote.Put(tag, rest, s.client.Options(ctx)...); err != nil {
		return err
	}
	s.gone = nil
	return nil
}
