package sign

import (
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// pushIndex gives an index and its images for linux/amd64 and linux/arm64.
func pushIndex(t *testing.T, host string) (index record.Image, images []record.Image) {
	t.Helper()
	at := func(digest v1.Hash, err error) record.Image {
		require.NoError(t, err)
		return record.Image{Repository: host + "/team/backstage", Digest: digest.String()}
	}
	all := v1.ImageIndex(empty.Index)
	for _, architecture := range []string{"amd64", "arm64"} {
		image, err := random.Image(64, 1)
		require.NoError(t, err)
		all = mutate.AppendManifests(all, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}})
		images = append(images, at(image.Digest()))
	}
	index = at(all.Digest())
	ref, err := name.NewDigest(index.String())
	require.NoError(t, err)
	require.NoError(t, remote.WriteIndex(ref, all))
	return index, images
}

// sigstore/cosign#786, suse-edge/suse-edge.github.io#587: the images are signed, and not
// the index; sigstore/cosign#1086, #3552, NVIDIA/aicr#2213: the same with attestations.
func TestTheRefusalOfAnIndexSaysWhatItsImagesHave(t *testing.T) {
	t.Parallel()
	host, _ := serve(t)
	k := ourKeys(t)
	for _, format := range []record.SignatureFormat{record.SignatureLegacy, record.SignatureBundle} {
		t.Run(string(format), func(t *testing.T) {
			index, images := pushIndex(t, host)
			verify := func(image record.Image) error {
				_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{Attestations: []string{PredicateVuln}}})
				return err
			}
			err := verify(index)
			require.ErrorContains(t, err, "[sign/no-signature]")
			require.NotContains(t, err.Error(), "its images")

			made := SignOptions{Registry: brisk, Image: images[1], Key: k.private, Password: []byte(password), Format: format, Attestations: []Attestation{scanned(time.Now())}}
			_, err = Sign(t.Context(), made)
			require.NoError(t, err)
			require.NoError(t, verify(images[1]))
			err = verify(index)
			require.ErrorContains(t, err, "[sign/no-signature]")
			require.ErrorContains(t, err, "about its images for linux/arm64 ("+images[1].Digest+")")
			require.NotContains(t, err.Error(), "linux/amd64")

			made.Image, made.Attestations = index, nil
			_, err = Sign(t.Context(), made)
			require.NoError(t, err)
			err = verify(index)
			require.ErrorContains(t, err, "[sign/attestation-missing]")
			require.ErrorContains(t, err, "about its images for linux/arm64")
		})
	}
}
