package sign

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// TestWhatHoldsIsCopied, in both formats and with what is beside the copy already, and the
// rest is left and named: whoever may push to the one repository must not get anything
// into the other one (A15 of the reading of its security).
func TestWhatHoldsIsCopied(t *testing.T) {
	t.Parallel()
	for title, referrersAPI := range map[string]bool{"with the referrers API": true, "without": false} {
		t.Run(title, func(t *testing.T) {
			host, k, other := serveQuirks(t, quirks{referrers: referrersAPI}).host, ourKeys(t), theirKeys(t)
			image, another := pushImage(t, host), pushImage(t, host)
			there := record.Image{Repository: host + "/production/backstage", Digest: image.Digest}
			from, err := name.NewDigest(image.String())
			require.NoError(t, err)
			to, err := name.NewDigest(there.String())
			require.NoError(t, err)
			original, err := remote.Image(from)
			require.NoError(t, err)
			require.NoError(t, remote.Write(to, original))

			signBoth := func(image record.Image, by pair, claims ...Attestation) {
				_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: by.private, Password: []byte(password), Attestations: claims})
				require.NoError(t, err)
			}
			signBoth(image, other, claim(1))
			signBoth(image, k, claim(2))
			signBoth(there, other, claim(3))
			// What is no signature, and one of another image.
			subject, err := remote.Head(from)
			require.NoError(t, err)
			odd := mutate.Subject(mutate.Annotations(empty.Image, map[string]string{"a": "b"}).(v1.Image), *subject).(v1.Image)
			digest, err := odd.Digest()
			require.NoError(t, err)
			require.NoError(t, remote.Write(from.Digest(digest.String()), odd))
			require.NoError(t, remote.Write(from.Tag(strings.Replace(image.Digest, ":", "-", 1)+".sbom"), odd))
			attest(t, another, k, record.SignatureLegacy, claim(4))
			plantAll(t, another, image)

			var log strings.Builder
			trusted := VerifyOptions{Registry: brisk, Image: image, Key: k.public, Log: slog.New(slog.NewTextHandler(&log, nil))}
			for range 2 { // the second time there is nothing to do
				copied, err := Copy(t.Context(), trusted, []string{image.Digest}, there.Repository)
				require.NoError(t, err)
				require.Equal(t, 4, copied.Taken)
				left := strings.Join(copied.Left, "\n")
				for _, part := range []string{other.identity, "is no bundle", ".sbom: it is not signed", "not about this image"} {
					require.Contains(t, left, part)
				}
				require.Contains(t, log.String(), "left beside the image, and not copied")
				require.Len(t, copied.Left, 7)
			}
			good := func(by pair, n int) error {
				_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: there, Key: by.public, Policy: Policy{Attestations: []string{claim(n).Type}}})
				return err
			}
			require.NoError(t, good(k, 2))
			require.NoError(t, good(other, 3), "what was beside the copy stays")
			require.Error(t, good(other, 1))
			layers, err := stored(t, tagOf(there)).Layers()
			require.NoError(t, err)
			require.Len(t, layers, 2)
			_, err = remote.Head(to.Context().Digest(digest.String()))
			require.Error(t, err)
			index, err := remote.Referrers(to)
			require.NoError(t, err)
			listed, err := index.IndexManifest()
			require.NoError(t, err)
			require.Len(t, listed.Manifests, 4)

			// Nothing is copied of an image that has no signature of who is trusted.
			trusted.Image = another
			_, err = Copy(t.Context(), trusted, []string{another.Digest}, there.Repository)
			require.ErrorContains(t, err, "[sign/no-signature]")
		})
	}
}

// plantAll adds the attestations beside one image to those of another.
func plantAll(t *testing.T, from, to record.Image) {
	t.Helper()
	att := func(image record.Image) string { return tagOf(image)[:len(tagOf(image))-len("sig")] + "att" }
	source, target := stored(t, att(from)), stored(t, att(to))
	layers, err := source.Layers()
	require.NoError(t, err)
	manifest, err := source.Manifest()
	require.NoError(t, err)
	more, err := mutate.Append(target, mutate.Addendum{Layer: layers[0], Annotations: manifest.Layers[0].Annotations, MediaType: manifest.Layers[0].MediaType})
	require.NoError(t, err)
	tag, err := name.NewTag(att(to))
	require.NoError(t, err)
	require.NoError(t, remote.Write(tag, more))
}
