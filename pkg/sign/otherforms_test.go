package sign

import (
	"encoding/json"
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
	"github.com/sigstore/cosign/v2/pkg/oci"
	cosignempty "github.com/sigstore/cosign/v2/pkg/oci/empty"
	cosignmutate "github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	cosigntypes "github.com/sigstore/cosign/v2/pkg/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// tagged is a tag beside an image, with an end as "sig".
func tagged(t *testing.T, image record.Image, end string) name.Tag {
	t.Helper()
	tag, err := name.NewTag(image.Repository + ":" + strings.Replace(image.Digest, ":", "-", 1) + "." + end)
	require.NoError(t, err)
	return tag
}

// intoReferrers moves what is under a tag to where `cosign sign --registry-referrers-mode oci-1-1`
// stores it.
func intoReferrers(t *testing.T, image record.Image, end, kind string) {
	t.Helper()
	at, err := name.NewDigest(image.String())
	require.NoError(t, err)
	subject, err := remote.Head(at)
	require.NoError(t, err)
	list, err := remote.Image(tagged(t, image, end))
	require.NoError(t, err)
	manifest, err := list.Manifest()
	require.NoError(t, err)
	moved := bundleManifest{Manifest: *manifest.DeepCopy(), ArtifactType: kind}
	moved.Config.MediaType, moved.Subject = types.MediaType(kind), subject
	raw, err := json.Marshal(moved)
	require.NoError(t, err)
	digest, _, err := v1.SHA256(strings.NewReader(string(raw)))
	require.NoError(t, err)
	require.NoError(t, remote.Put(at.Context().Digest(digest.String()), referrer{raw, types.OCIManifestSchema1}))
	require.NoError(t, remote.Delete(tagged(t, image, end)))
}

// Sources: sigstore/cosign#2684, #2854, #4204 (signatures), #4708 (attestations).
func TestWhatCosign2StoresAsReferrersCounts(t *testing.T) {
	t.Parallel()
	k, other := ourKeys(t), theirKeys(t)
	for how, handler := range map[string]http.Handler{"listed": registrytest.Listing(), "in the index of the tag": registrytest.Handler()} {
		t.Run(how, func(t *testing.T) {
			image := pushImage(t, registrytest.Start(t, handler))
			_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: record.SignatureLegacy, Attestations: []Attestation{scanned(time.Now())}})
			require.NoError(t, err)
			intoReferrers(t, image, "sig", "application/vnd.dev.cosign.artifact.sig.v1+json")
			intoReferrers(t, image, "att", "application/vnd.in-toto+json")
			wanted := VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{MaxScanAge: time.Hour}}
			verified, err := Verify(t.Context(), wanted)
			require.NoError(t, err)
			require.Equal(t, k.identity, verified.Identity())

			copied := record.Image{Repository: image.Repository + "-copy", Digest: image.Digest}
			copyImage(t, image, copied)
			done, err := Copy(t.Context(), wanted, []string{image.Digest}, copied.Repository)
			require.NoError(t, err)
			require.Equal(t, 2, done.Taken)
			wanted.Image = copied
			_, err = Verify(t.Context(), wanted)
			require.NoError(t, err)

			wanted.Key = other.public
			_, err = Verify(t.Context(), wanted)
			require.ErrorContains(t, err, "[sign/key-mismatch]")
		})
	}
}

func copyImage(t *testing.T, from, to record.Image) {
	t.Helper()
	source, err := name.NewDigest(from.String())
	require.NoError(t, err)
	target, err := name.NewDigest(to.String())
	require.NoError(t, err)
	content, err := remote.Image(source)
	require.NoError(t, err)
	require.NoError(t, remote.Write(target, content))
}

// An envelope may have several signatures, of which one is enough, whichever it is:
// secure-systems-lab/dsse#40, sigstore/cosign#2415.
func TestOneOfSeveralSignaturesOfAnEnvelopeIsEnough(t *testing.T) {
	t.Parallel()
	host, _ := serve(t)
	image, k, other := pushImage(t, host), ourKeys(t), theirKeys(t)
	sign(t, image, k)
	claim := scanned(time.Now())
	envelope := func(by pair) (all map[string]json.RawMessage, signatures []json.RawMessage) {
		attest(t, image, by, record.SignatureLegacy, claim)
		list, err := ociremote.Signatures(tagged(t, image, "att"))
		require.NoError(t, err)
		there, err := list.Get()
		require.NoError(t, err)
		text, err := there[len(there)-1].Payload()
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &all))
		require.NoError(t, json.Unmarshal(all["signatures"], &signatures))
		require.NoError(t, remote.Delete(tagged(t, image, "att")))
		return all, signatures
	}
	whole, theirs := envelope(other)
	_, ours := envelope(k)
	joined, err := json.Marshal(append(theirs, ours...))
	require.NoError(t, err)
	whole["signatures"] = joined
	text, err := json.Marshal(whole)
	require.NoError(t, err)
	both, err := static.NewAttestation(text, static.WithLayerMediaType(cosigntypes.DssePayloadType))
	require.NoError(t, err)
	list, err := cosignmutate.AppendSignatures(cosignempty.Signatures(), false, []oci.Signature{both}...)
	require.NoError(t, err)
	require.NoError(t, remote.Write(tagged(t, image, "att"), list))

	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{MaxScanAge: time.Hour}})
	require.NoError(t, err)
	copied := record.Image{Repository: image.Repository + "-copy", Digest: image.Digest}
	copyImage(t, image, copied)
	_, err = Copy(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public}, []string{image.Digest}, copied.Repository)
	require.NoError(t, err)
	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: copied, Key: k.public, Policy: Policy{MaxScanAge: time.Hour}})
	require.NoError(t, err)
}

// Somebody's index under the tag of signatures hides no bundle, and nothing is written over it.
func TestAnIndexUnderTheTagOfSignaturesIsNoList(t *testing.T) {
	t.Parallel()
	image, k := pushImage(t, registrytest.Start(t, registrytest.Listing())), ourKeys(t)
	require.NoError(t, remote.WriteIndex(tagged(t, image, "sig"), mutate.IndexMediaType(empty.Index, types.OCIImageIndex)))
	o := SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password)}
	_, err := Sign(t.Context(), o)
	require.ErrorContains(t, err, "[sign/tag-taken]")
	require.ErrorContains(t, err, "--sign-format bundle")
	require.Equal(t, record.KindInput, record.KindOf(err))
	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
	require.ErrorContains(t, err, "is an index, and no list of signatures")
	require.Equal(t, record.KindRefused, record.KindOf(err))

	o.Format = record.SignatureBundle
	_, err = Sign(t.Context(), o)
	require.NoError(t, err)
	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
	require.NoError(t, err)
}

// A registry that answers HEAD with 404 for what it has loses no signature of another
// signer: nicholas-fedor/watchtower#669.
func TestWhatHEADDoesNotFindStaysInTheList(t *testing.T) {
	t.Parallel()
	host := registrytest.Start(t, registrytest.Handler(), registrytest.Answer(registrytest.Asks(http.MethodHead, "/manifests/"), http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown"))
	image, k, other := pushImage(t, host), ourKeys(t), theirKeys(t)
	for _, by := range []pair{k, other} {
		_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: by.private, Password: []byte(password), Format: record.SignatureBundle})
		require.NoError(t, err)
	}
	for _, by := range []pair{k, other} {
		_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: by.public})
		require.NoError(t, err)
	}
}
