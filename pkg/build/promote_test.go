package build

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestPromotingChangesNoDigestAndTakesTheSignaturesAlong(t *testing.T) {
	seen := &traffic{}
	here, there := serve(t, seen.see), serve(t, nil)
	o := options(writeTree(t, backstage()), here, pushPlatforms(t, here, "amd64", "arm64"))
	o.Platform = "linux/amd64,linux/arm64"
	built, err := Build(t.Context(), o)
	require.NoError(t, err)

	// A signature of either kind, as cosign leaves it.
	ref, err := name.NewDigest(built.Image.String())
	require.NoError(t, err)
	signature := ref.Context().Tag(strings.Replace(built.Image.Digest, ":", "-", 1) + ".sig")
	require.NoError(t, remote.Write(signature, emptyImage(t)))
	index, err := remote.Get(ref)
	require.NoError(t, err)
	attestation := mutate.Subject(emptyImage(t), index.Descriptor).(v1.Image)
	digest, err := attestation.Digest()
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref.Context().Digest(digest.String()), attestation))

	for _, target := range []string{there + "/Prod/Backstage", here + "/prod/backstage"} {
		t.Run(strings.Split(target, "/")[1], func(t *testing.T) {
			seen.reset()
			promoted, err := Promote(t.Context(), hasty, built.Image, target)
			require.NoError(t, err)
			require.Equal(t, record.Image{Repository: strings.ToLower(target), Digest: built.Image.Digest}, promoted)
			for _, p := range built.Platforms {
				complete(t, Result{Image: record.Image{Repository: promoted.Repository, Digest: p.Image.Digest}})
			}
			copied, err := name.NewDigest(promoted.String())
			require.NoError(t, err)
			_, err = remote.Head(copied.Context().Tag(signature.TagStr()))
			require.NoError(t, err)
			referrers, err := remote.Referrers(copied)
			require.NoError(t, err)
			manifest, err := referrers.IndexManifest()
			require.NoError(t, err)
			require.Len(t, manifest.Manifests, 1)
			require.Equal(t, digest, manifest.Manifests[0].Digest)
			_, err = remote.Image(copied.Context().Digest(digest.String()))
			require.NoError(t, err)
			tags, err := remote.List(copied.Context())
			require.NoError(t, err)
			for _, tag := range tags {
				require.True(t, strings.HasPrefix(tag, "sha256-"), "no tag of a release: %s", tag)
			}
		})
	}
	same, err := Promote(t.Context(), hasty, built.Image, built.Image.Repository)
	require.NoError(t, err)
	require.Equal(t, built.Image, same)
	_, err = Promote(t.Context(), hasty, record.Image{Repository: here + "/team/none", Digest: built.Image.Digest[:70] + "0"}, there+"/x/y")
	require.Error(t, err)
}

// TestWhatIsAttachedWithoutEndIsNotCopied: an index that names the same index 200
// times, and so on, is five small manifests and 200^5 requests.
func TestWhatIsAttachedWithoutEndIsNotCopied(t *testing.T) {
	seen := &traffic{}
	here, there := serve(t, seen.see), serve(t, nil)
	built, err := Build(t.Context(), options(writeTree(t, backstage()), here, pushBase(t, here, types.OCIManifestSchema1)))
	require.NoError(t, err)
	ref, err := name.NewDigest(built.Image.String())
	require.NoError(t, err)
	subject, err := remote.Head(ref)
	require.NoError(t, err)
	nested := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: emptyImage(t)})
	for range 4 {
		var again []mutate.IndexAddendum
		for range maxIndexed {
			again = append(again, mutate.IndexAddendum{Add: nested})
		}
		nested = mutate.AppendManifests(empty.Index, again...)
	}
	attached := mutate.Subject(nested, *subject).(v1.ImageIndex)
	digest, err := attached.Digest()
	require.NoError(t, err)
	require.NoError(t, remote.WriteIndex(ref.Context().Digest(digest.String()), nested))
	require.NoError(t, remote.Put(ref.Context().Digest(digest.String()), attached))
	// The same below a tag of cosign, which is copied.
	tag := ref.Context().Tag(strings.Replace(built.Image.Digest, ":", "-", 1) + ".att")
	require.NoError(t, remote.Put(tag, nested))
	seen.reset()
	_, err = Promote(t.Context(), hasty, built.Image, there+"/prod/app")
	require.NoError(t, err)
	require.Less(t, len(seen.with("/manifests/")), 50)
}
