package sign

import (
	"net/http"
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
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// tellsSubject is a registry that says that it lists what refers to an image.
func tellsSubject(_ *testing.T, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.Header().Set("OCI-Subject", "sha256:"+strings.Repeat("0", 64))
		}
		next.ServeHTTP(w, r)
	})
}

// hasListTag reports whether the list of what refers to an image is under its tag.
func hasListTag(t *testing.T, image record.Image) bool {
	t.Helper()
	tag, err := name.NewTag(image.Repository + ":" + strings.Replace(image.Digest, ":", "-", 1))
	require.NoError(t, err)
	_, err = remote.Head(tag)
	return err == nil
}

// A registry that does not say OCI-Subject may never list a bundle, though it answers who asks
// for the list: the specification of distribution wants the list under its tag then, and
// cosign looks there (NVIDIA/cluster-readiness-engine#277, conforma/cli#3185).
func TestABundleIsFoundWhereTheRegistryListsNone(t *testing.T) {
	ours, theirs := ourKeys(t), theirKeys(t)
	for name, c := range map[string]struct {
		switches []registrytest.Switch
		tag      bool
	}{
		"it lists nothing":              {[]registrytest.Switch{registrytest.Empty}, true},
		"it lists, and does not say so": {nil, false},
		"it lists, and says so":         {[]registrytest.Switch{tellsSubject}, false},
	} {
		t.Run(name, func(t *testing.T) {
			image := pushImage(t, registrytest.Start(t, registrytest.Listing(), c.switches...))
			for _, k := range []pair{ours, theirs} {
				_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: record.SignatureBundle})
				require.NoError(t, err)
			}
			for _, k := range []pair{ours, theirs} {
				_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
				require.NoError(t, err)
			}
			require.Equal(t, c.tag, hasListTag(t, image))
		})
	}
}

// What was listed under the tag before a registry learned to list is not lost.
func TestABundleFromBeforeTheRegistryListedIsFound(t *testing.T) {
	inner := registrytest.Handler()
	old := registrytest.Start(t, inner)
	image, k := pushImage(t, old), ourKeys(t)
	_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: record.SignatureBundle})
	require.NoError(t, err)
	image.Repository = strings.Replace(image.Repository, old, registrytest.Start(t, inner, func(_ *testing.T, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "/referrers/") {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			_, _ = w.Write([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`))
		})
	}), 1)
	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
	require.NoError(t, err)
}

// A signature of another kind is no signature, but the one who looks for it should know that
// it is there: Notary's, and those that cosign stores with --registry-referrers-mode oci-1-1
// (sigstore/cosign#4708).
func TestSignaturesOfOtherKindsAreNamed(t *testing.T) {
	image, k := pushImage(t, registrytest.Start(t, registrytest.Listing())), ourKeys(t)
	digest, err := name.NewDigest(image.String())
	require.NoError(t, err)
	subject, err := remote.Head(digest)
	require.NoError(t, err)
	for _, kind := range []types.MediaType{"application/vnd.cncf.notary.signature", "application/vnd.dev.cosign.artifact.sig.v1+json"} {
		artifact := mutate.Subject(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), kind), *subject).(v1.Image)
		made, err := artifact.Digest()
		require.NoError(t, err)
		require.NoError(t, remote.Write(digest.Context().Digest(made.String()), artifact))
	}
	_, err = Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: record.SignatureBundle})
	require.NoError(t, err)
	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{Attestations: []string{PredicateVuln}}})
	require.ErrorContains(t, err, "kinds that are not read: application/vnd.cncf.notary.signature, application/vnd.dev.cosign.artifact.sig.v1+json")
	require.NotContains(t, err.Error(), "sigstore.bundle")
	require.Equal(t, record.KindRefused, record.KindOf(err))
}
