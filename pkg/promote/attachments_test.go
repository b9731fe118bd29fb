package promote

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// attach puts n things beside an image and gives their digests.
func attach(t *testing.T, image record.Image, n int) (digests []string) {
	t.Helper()
	ref, err := name.NewDigest(image.String())
	require.NoError(t, err)
	subject, err := remote.Head(ref)
	require.NoError(t, err)
	for i := range n {
		one := mutate.Annotations(registrytest.EmptyImage(t), map[string]string{"n": strconv.Itoa(i)}).(v1.Image)
		one = mutate.Subject(one, *subject).(v1.Image)
		digest, err := one.Digest()
		require.NoError(t, err)
		require.NoError(t, remote.Write(ref.Context().Digest(digest.String()), one))
		digests = append(digests, digest.String())
	}
	return digests
}

// TestAllPagesOfReferrersAreCopied, without what a clean-up removed:
// github/artifact-attestations-opa-provider#196, google/go-containerregistry#2446,
// dataaxiom/ghcr-cleanup-action#104.
func TestAllPagesOfReferrersAreCopied(t *testing.T) {
	var hidden string
	gone := registrytest.Answer(func(r *http.Request) bool { return hidden != "" && strings.HasSuffix(r.URL.Path, "/manifests/"+hidden) }, http.StatusNotFound, "MANIFEST_UNKNOWN", "")
	here, there := registrytest.Start(t, registrytest.Listing(), gone, registrytest.InPages), registrytest.Serve(t, nil)
	built := registrytest.Find(t, registrytest.PushBase(t, here, types.OCIManifestSchema1))
	digests := attach(t, built, 5)
	hidden = digests[2]
	promoted, err := Image(t.Context(), Options{Registry: brisk}, built, there+"/prod/app")
	require.NoError(t, err)
	copied, err := name.NewDigest(promoted.String())
	require.NoError(t, err)
	index, err := remote.Referrers(copied)
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	var got []string
	for _, m := range manifest.Manifests {
		got = append(got, m.Digest.String())
	}
	require.ElementsMatch(t, slices.Delete(digests, 2, 3), got)
}

// TestWhatNobodyVerifiedIsCopiedWithinLimits: also when everything may be copied.
func TestWhatNobodyVerifiedIsCopiedWithinLimits(t *testing.T) {
	here, there := registrytest.Serve(t, nil), registrytest.Serve(t, nil)
	built := registrytest.Find(t, registrytest.PushBase(t, here, types.OCIManifestSchema1))
	attach(t, built, 3)
	ref, err := name.NewDigest(built.String())
	require.NoError(t, err)
	tag := func(end string) name.Tag {
		return ref.Context().Tag(strings.Replace(built.Digest, ":", "-", 1) + end)
	}
	put := func(end string, raw []byte) { require.NoError(t, remote.Put(tag(end), manifest(raw))) }
	put(".sig", []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:`+strings.Repeat("a", 64)+`","size":2000000000},"layers":[]}`))
	require.NoError(t, remote.Write(tag(".sbom"), registrytest.EmptyImage(t)))
	var log strings.Builder
	access := brisk
	access.Log = slog.New(slog.NewTextHandler(&log, nil))
	promoted, err := Image(t.Context(), Options{Registry: access}, built, there+"/prod/app")
	require.NoError(t, err)
	copied, err := name.NewDigest(promoted.String())
	require.NoError(t, err)
	_, err = remote.Head(copied.Context().Tag(tag(".sig").TagStr()))
	require.Error(t, err, "it says that it has 2 GB")
	require.Contains(t, log.String(), "has more than")
	_, err = remote.Head(copied.Context().Tag(tag(".sbom").TagStr()))
	require.NoError(t, err)

	attach(t, built, maxAttached+5)
	log.Reset()
	promoted, err = Image(t.Context(), Options{Registry: access}, built, there+"/prod/many")
	require.NoError(t, err)
	copied, err = name.NewDigest(promoted.String())
	require.NoError(t, err)
	index, err := remote.Referrers(copied)
	require.NoError(t, err)
	listed, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, listed.Manifests, maxAttached)
	require.Contains(t, log.String(), "nor what follows")
}

// TestWhatHoldsIsForSomebodyElseToSay: then nothing is copied unasked.
func TestWhatHoldsIsForSomebodyElseToSay(t *testing.T) {
	here, there := registrytest.Serve(t, nil), registrytest.Serve(t, nil)
	built := registrytest.Find(t, registrytest.PushPlatforms(t, here, "amd64", "arm64"))
	attach(t, built, 1)
	var asked []string
	promoted, err := Image(t.Context(), Options{Registry: brisk, Beside: func(_ context.Context, to string, digests []string) error {
		require.Equal(t, there+"/prod/app", to)
		asked = digests
		return nil
	}}, built, there+"/Prod/app")
	require.NoError(t, err)
	require.Len(t, asked, 3)
	require.Equal(t, built.Digest, asked[2])
	copied, err := name.NewDigest(promoted.String())
	require.NoError(t, err)
	index, err := remote.Referrers(copied)
	require.NoError(t, err)
	listed, err := index.IndexManifest()
	require.NoError(t, err)
	require.Empty(t, listed.Manifests)
}

type manifest []byte

func (m manifest) RawManifest() ([]byte, error) { return m, nil }

func (m manifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// TestWhatTheCopyHasIsNotWrittenOver: who promoted it before, or signed it there, lost
// those signatures to the ones beside the original.
func TestWhatTheCopyHasIsNotWrittenOver(t *testing.T) {
	here, there := registrytest.Serve(t, nil), registrytest.Serve(t, nil)
	built := registrytest.Find(t, registrytest.PushBase(t, here, types.OCIManifestSchema1))
	signatures := func(repository, by string) {
		tag, err := name.NewTag(repository + ":" + strings.Replace(built.Digest, ":", "-", 1) + ".sig")
		require.NoError(t, err)
		require.NoError(t, remote.Write(tag, mutate.Annotations(registrytest.EmptyImage(t), map[string]string{"by": by}).(v1.Image)))
	}
	signatures(built.Repository, "build")
	_, err := Image(t.Context(), Options{Registry: brisk}, built, there+"/prod/app")
	require.NoError(t, err)
	reference := there + "/prod/app:" + strings.Replace(built.Digest, ":", "-", 1) + ".sig"
	first := registrytest.Find(t, reference)
	require.NotEmpty(t, first.Digest, "where there is nothing yet, it is copied")
	signatures(there+"/prod/app", "production")
	own := registrytest.Find(t, reference)
	require.NotEqual(t, first, own)

	var log strings.Builder
	access := brisk
	access.Log = slog.New(slog.NewTextHandler(&log, nil))
	_, err = Image(t.Context(), Options{Registry: access}, built, there+"/prod/app")
	require.NoError(t, err)
	require.Equal(t, own, registrytest.Find(t, reference))
	require.Contains(t, log.String(), "the copy has others under the tag")
}
