package promote

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

func TestPromotingChangesNoDigestAndTakesTheSignaturesAlong(t *testing.T) {
	seen := &registrytest.Traffic{}
	here, there := registrytest.Serve(t, seen.See), registrytest.Serve(t, nil)
	built := registrytest.Find(t, registrytest.PushPlatforms(t, here, "amd64", "arm64"))

	// A signature of either kind, as cosign leaves it.
	ref, err := name.NewDigest(built.String())
	require.NoError(t, err)
	signature := ref.Context().Tag(strings.Replace(built.Digest, ":", "-", 1) + ".sig")
	require.NoError(t, remote.Write(signature, registrytest.EmptyImage(t)))
	index, err := remote.Get(ref)
	require.NoError(t, err)
	platforms := digestsIn(t, index)
	attestation := mutate.Subject(registrytest.EmptyImage(t), index.Descriptor).(v1.Image)
	digest, err := attestation.Digest()
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref.Context().Digest(digest.String()), attestation))

	for _, target := range []string{there + "/Prod/Backstage", here + "/prod/backstage"} {
		t.Run(strings.Split(target, "/")[1], func(t *testing.T) {
			seen.Reset()
			promoted, err := Image(t.Context(), Options{Registry: brisk}, built, target)
			require.NoError(t, err)
			require.Equal(t, record.Image{Repository: strings.ToLower(target), Digest: built.Digest}, promoted)
			for _, digest := range platforms {
				registrytest.Complete(t, record.Image{Repository: promoted.Repository, Digest: digest})
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
	same, err := Image(t.Context(), Options{Registry: brisk}, built, built.Repository)
	require.NoError(t, err)
	require.Equal(t, built, same)
	_, err = Image(t.Context(), Options{Registry: brisk}, record.Image{Repository: here + "/team/none", Digest: built.Digest[:70] + "0"}, there+"/x/y")
	require.Error(t, err)
}

// A clean-up of untagged versions takes the images from under their index
// (doobidoo/mcp-memory-service#1044): there is nothing to promote.
func TestAnIndexWhoseImageIsGoneIsNotPromoted(t *testing.T) {
	here := registrytest.Serve(t, nil)
	built := registrytest.Find(t, registrytest.PushPlatforms(t, here, "amd64", "arm64"))
	ref, err := name.NewDigest(built.String())
	require.NoError(t, err)
	index, err := remote.Get(ref)
	require.NoError(t, err)
	gone := digestsIn(t, index)[1]
	require.NoError(t, remote.Delete(ref.Context().Digest(gone)))
	_, err = Image(t.Context(), Options{Registry: brisk}, built, here+"/prod/app")
	require.ErrorContains(t, err, gone+", which the registry does not have any more")
	require.Equal(t, record.KindInput, record.KindOf(err))
}

// Source: nicholas-fedor/watchtower#669.
func TestARegistryThatKnowsNothingByHEADHasTheCopy(t *testing.T) {
	there := registrytest.Start(t, registrytest.Handler(), registrytest.Answer(registrytest.Asks(http.MethodHead, "/v2/"), http.StatusNotFound, "MANIFEST_UNKNOWN", "it is not there"))
	built := registrytest.Find(t, registrytest.PushPlatforms(t, registrytest.Serve(t, nil), "amd64"))
	promoted, err := Image(t.Context(), Options{Registry: brisk}, built, there+"/prod/backstage")
	require.NoError(t, err)
	require.Equal(t, built.Digest, promoted.Digest)
}

// digestsIn are those of the images of an index.
func digestsIn(t *testing.T, descriptor *remote.Descriptor) (digests []string) {
	t.Helper()
	index, err := descriptor.ImageIndex()
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	for _, m := range manifest.Manifests {
		digests = append(digests, m.Digest.String())
	}
	require.NotEmpty(t, digests)
	return digests
}

// TestWhatIsAttachedWithoutEndIsNotCopied: an index that names the same index 200
// times, and so on, is five small manifests and 200^5 requests.
func TestWhatIsAttachedWithoutEndIsNotCopied(t *testing.T) {
	seen := &registrytest.Traffic{}
	here, there := registrytest.Serve(t, seen.See), registrytest.Serve(t, nil)
	built := registrytest.Find(t, registrytest.PushBase(t, here, types.OCIManifestSchema1))
	ref, err := name.NewDigest(built.String())
	require.NoError(t, err)
	subject, err := remote.Head(ref)
	require.NoError(t, err)
	nested := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: registrytest.EmptyImage(t)})
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
	// The same below a tag of cosign.
	tag := ref.Context().Tag(strings.Replace(built.Digest, ":", "-", 1) + ".att")
	require.NoError(t, remote.Put(tag, nested))
	seen.Reset()
	_, err = Image(t.Context(), Options{Registry: brisk}, built, there+"/prod/app")
	require.NoError(t, err)
	require.Less(t, len(seen.With("/manifests/")), 50)
}

// brisk does not make a test wait.
var brisk = registry.Access{Insecure: []string{"127.0.0.1"}, Retry: retry.Policy{Attempts: 3, First: time.Millisecond, Longest: 5 * time.Millisecond}}
