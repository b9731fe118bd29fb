package sign

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	cosigntypes "github.com/sigstore/cosign/v2/pkg/types"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/push"
)

func (s *store) bundles(ctx context.Context, wanted sought) ([]entry, error) {
	manifests, err := s.referring(ctx)
	if err != nil {
		return nil, err
	}
	var all []entry
	left := int64(maxEntries)
	for _, m := range manifests {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if wanted.other(m.Annotations, bundleType) {
			continue
		}
		if len(all) >= maxSignatures {
			return nil, errTooMany
		}
		if m.Size > maxAnswer {
			all = append(all, entry{format: record.SignatureBundle, problem: fmt.Errorf("its manifest has %d bytes", m.Size)})
			continue
		}
		found, known, err := s.referrer(ctx, m.Digest, wanted, &left)
		switch {
		case registry.IsNotFound(err):
			s.missing(m.Digest)
		case err != nil:
			return nil, err
		case len(found) > 0:
			all = append(all, found...)
		case wanted.predicateType == "":
			all = append(all, entry{format: record.SignatureBundle, problem: fmt.Errorf("%s (%s) is no bundle", m.Digest, oneLine(cmp.Or(m.ArtifactType, string(m.MediaType))))})
		case !known:
			s.another(cmp.Or(m.ArtifactType, string(m.MediaType)))
		}
	}
	return all, nil
}

// referrer reads a manifest that refers to the image, and says whether it is of a kind that
// is read; of those that say that they are of another type than is wanted it gives nothing.
// What kind it is of is told by its layers: not all registries list the type of an artifact
// as it was written.
func (s *store) referrer(ctx context.Context, digest v1.Hash, wanted sought, left *int64) (all []entry, known bool, err error) {
	found, err := remote.Get(s.digest.Digest(digest.String()), s.client.Options(ctx)...)
	if err != nil || !found.MediaType.IsImage() {
		return nil, false, err // what refers to the image may be an index, which is no bundle
	}
	image, err := found.Image()
	if err != nil {
		return nil, false, err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return nil, false, err
	}
	if attestations, isList := ofLegacy(manifest); isList {
		if wanted.predicateType != "" && attestations == (wanted.predicateType == signPredicate) {
			return nil, true, nil
		}
		list, err := ociremote.Signatures(s.digest.Digest(digest.String()), s.options...)
		if err == nil {
			all, err = s.entriesOf(ctx, list, attestations, wanted, left)
		}
		return all, true, err
	}
	if len(manifest.Layers) != 1 || !strings.HasPrefix(string(manifest.Layers[0].MediaType), bundleLayer) {
		return nil, false, nil
	}
	if wanted.other(manifest.Annotations, bundleType) {
		return nil, true, nil
	}
	e, err := readBundle(image, manifest, wanted, left)
	if err != nil {
		return nil, true, err
	}
	return []entry{e}, true, nil
}

// ofLegacy reports whether a manifest that refers to an image is a list of the legacy format,
// as cosign 2 writes it with --registry-referrers-mode oci-1-1 (sigstore/cosign#2684, #2854, #4204),
// and whether one of attestations.
func ofLegacy(manifest *v1.Manifest) (attestations, isList bool) {
	if len(manifest.Layers) == 0 {
		return false, false
	}
	kind := manifest.Layers[0].MediaType
	if slices.ContainsFunc(manifest.Layers, func(d v1.Descriptor) bool { return d.MediaType != kind }) {
		return false, false
	}
	return kind == cosigntypes.DssePayloadType, kind == cosigntypes.DssePayloadType || kind == cosigntypes.SimpleSigningMediaType
}

// readBundle reads the layer of a bundle.
func readBundle(image v1.Image, manifest *v1.Manifest, wanted sought, left *int64) (e entry, err error) {
	if err := fits(manifest.Layers[0].Size, left); err != nil {
		return entry{format: record.SignatureBundle, problem: err}, nil
	}
	layer, err := image.LayerByDigest(manifest.Layers[0].Digest)
	if err != nil {
		return e, err
	}
	content, err := layer.Compressed()
	if err != nil {
		return e, err
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil {
		return entry{format: record.SignatureBundle, problem: err}, unanswered(err)
	}
	whole := &bundle.Bundle{}
	e = entry{format: record.SignatureBundle, bundle: whole, problem: whole.UnmarshalJSON(text)}
	if wanted.predicateType == "" && e.problem == nil {
		e.artifact, err = wholeArtifact(image, manifest, text)
	}
	return e, err
}

// wholeArtifact is a bundle that was read, with its manifest as it is.
func wholeArtifact(image v1.Image, manifest *v1.Manifest, text []byte) (*artifact, error) {
	raw, err := image.RawManifest()
	if err != nil {
		return nil, err
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return nil, err
	}
	return artifactOf(raw, map[v1.Hash][]byte{manifest.Config.Digest: config, manifest.Layers[0].Digest: text})
}

// artifact is a bundle as a manifest that refers to the image.
type artifact struct {
	raw        []byte
	blobs      []push.Blob
	descriptor v1.Descriptor // as the list of referrers has it
}

// RawManifest and MediaType implement [push.Described].
func (a *artifact) RawManifest() ([]byte, error) { return a.raw, nil }

func (a *artifact) MediaType() (types.MediaType, error) { return a.descriptor.MediaType, nil }

// bundleManifest is as cosign writes one.
type bundleManifest struct {
	v1.Manifest
	ArtifactType string `json:"artifactType,omitempty"`
}

func newArtifact(text []byte, predicateType string, subject v1.Descriptor) (*artifact, error) {
	mediaType, err := bundle.MediaTypeString("0.3")
	if err != nil {
		return nil, err
	}
	config, layer := []byte("{}"), static.NewLayer(text, types.MediaType(mediaType))
	configDigest, configSize, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, err
	}
	layerDigest, err := layer.Digest()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(bundleManifest{ArtifactType: mediaType, Manifest: v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		Config:        v1.Descriptor{MediaType: "application/vnd.oci.empty.v1+json", ArtifactType: mediaType, Digest: configDigest, Size: configSize},
		Layers:        []v1.Descriptor{{MediaType: types.MediaType(mediaType), Digest: layerDigest, Size: int64(len(text))}},
		Subject:       &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
		Annotations: map[string]string{
			"org.opencontainers.image.created": time.Now().UTC().Format(time.RFC3339),
			"dev.sigstore.bundle.content":      "dsse-envelope",
			bundleType:                         predicateType,
		},
	}})
	if err != nil {
		return nil, err
	}
	return artifactOf(raw, map[v1.Hash][]byte{configDigest: config, layerDigest: text})
}

// artifactOf is a manifest with its blobs. Its descriptor has what the specification
// wants to be taken over from the manifest (sigstore/cosign#4641).
func artifactOf(raw []byte, blobs map[v1.Hash][]byte) (*artifact, error) {
	var manifest bundleManifest
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return nil, err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	a := &artifact{raw: raw, descriptor: v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Digest: digest, Size: size, Annotations: manifest.Annotations,
		ArtifactType: cmp.Or(manifest.ArtifactType, string(manifest.Config.MediaType)),
	}}
	for digest, content := range blobs {
		a.blobs = append(a.blobs, blobOf(digest, content))
	}
	return a, nil
}

func blobOf(digest v1.Hash, content []byte) push.Blob {
	return push.Blob{Digest: digest.String(), Size: int64(len(content)), Open: func(offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content[offset:])), nil
	}}
}
