package sign

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// referrer is what somebody attaches to an image: its raw manifest, and its media type.
type referrer struct {
	raw  []byte
	kind types.MediaType
}

func (r referrer) RawManifest() ([]byte, error) { return r.raw, nil }

func (r referrer) MediaType() (types.MediaType, error) { return r.kind, nil }

// TestOtherThingsAttachedToAnImageHideNothing: dataaxiom/ghcr-cleanup-action#13,
// docker/buildx#4010 (artifacts, sets of them, and what only looks like a bundle beside a
// signature). The signature is found, and copied.
func TestOtherThingsAttachedToAnImageHideNothing(t *testing.T) {
	t.Parallel()
	const bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"
	k := ourKeys(t)
	for title, c := range map[string]struct {
		artifact string
		kind     types.MediaType
		layers   []string
		layer    types.MediaType
	}{
		"an artifact with an empty layer": {"application/vnd.example.sbom", types.OCIManifestSchema1, []string{"{}"}, "application/vnd.oci.empty.v1+json"},
		"an artifact with three layers":   {"application/vnd.example.sbom", types.OCIManifestSchema1, []string{"a", "b", "c"}, "text/plain"},
		"an artifact without a layer":     {"application/vnd.example.sbom", types.OCIManifestSchema1, nil, ""},
		"a bundle that is no JSON":        {bundle, types.OCIManifestSchema1, []string{"not json"}, bundle},
		"a bundle of three layers":        {bundle, types.OCIManifestSchema1, []string{"a", "b", "c"}, bundle},
		"an index":                        {"application/vnd.example.set", types.OCIImageIndex, nil, ""},
	} {
		for where, lists := range map[string]bool{"listed": true, "in the index of the tag": false} {
			t.Run(title+", "+where, func(t *testing.T) {
				host := serveQuirks(t, quirks{referrers: lists}).host
				image := pushImage(t, host)
				at, err := name.NewDigest(image.String())
				require.NoError(t, err)
				subject, err := remote.Head(at)
				require.NoError(t, err)
				put := func(content string, kind types.MediaType) v1.Descriptor {
					layer := static.NewLayer([]byte(content), kind)
					require.NoError(t, remote.WriteLayer(at.Context(), layer))
					digest, err := layer.Digest()
					require.NoError(t, err)
					return v1.Descriptor{MediaType: kind, Digest: digest, Size: int64(len(content))}
				}
				manifest := map[string]any{"schemaVersion": 2, "mediaType": c.kind, "artifactType": c.artifact, "subject": subject}
				if c.kind == types.OCIImageIndex {
					manifest["manifests"] = []any{}
				} else {
					layers := []v1.Descriptor{}
					for _, content := range c.layers {
						layers = append(layers, put(content, c.layer))
					}
					manifest["config"], manifest["layers"] = put("{}", "application/vnd.oci.empty.v1+json"), layers
				}
				raw, err := json.Marshal(manifest)
				require.NoError(t, err)
				digest, _, err := v1.SHA256(bytes.NewReader(raw))
				require.NoError(t, err)
				require.NoError(t, remote.Put(at.Context().Digest(digest.String()), referrer{raw, c.kind}))

				_, err = Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: record.SignatureBundle})
				require.NoError(t, err)
				trusted := VerifyOptions{Registry: brisk, Image: image, Key: k.public}
				_, err = Verify(t.Context(), trusted)
				require.NoError(t, err)
				there := record.Image{Repository: host + "/production/backstage", Digest: image.Digest}
				to, err := name.NewDigest(there.String())
				require.NoError(t, err)
				original, err := remote.Image(at)
				require.NoError(t, err)
				require.NoError(t, remote.Write(to, original))
				copied, err := Copy(t.Context(), trusted, []string{image.Digest}, there.Repository)
				require.NoError(t, err)
				require.Equal(t, 1, copied.Taken)
				_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: there, Key: k.public})
				require.NoError(t, err)
			})
		}
	}
}
