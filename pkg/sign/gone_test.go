package sign

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// cleanUp removes the bundles of some types, which the list of referrers still names.
func cleanUp(t *testing.T, gone *sync.Map, image record.Image, predicateTypes ...string) {
	t.Helper()
	digest, err := name.NewDigest(image.String())
	require.NoError(t, err)
	index, err := remote.Referrers(digest)
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	for _, m := range manifest.Manifests {
		bundle, err := remote.Image(digest.Context().Digest(m.Digest.String()))
		require.NoError(t, err)
		said, err := bundle.Manifest()
		require.NoError(t, err)
		if slices.Contains(predicateTypes, said.Annotations[bundleType]) {
			gone.Store(m.Digest.String(), true)
		}
	}
}

// swept is a registry that does not have what is in gone any more.
func swept(t *testing.T, gone *sync.Map) string {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, is := gone.Load(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		if is && strings.Contains(r.URL.Path, "/manifests/") {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`))
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// TestWhatACleanUpRemovedIsPassedOver: dataaxiom/ghcr-cleanup-action#104 and #114.
func TestWhatACleanUpRemovedIsPassedOver(t *testing.T) {
	k, gone := ourKeys(t), &sync.Map{}
	host := swept(t, gone)
	wanted := Policy{MaxScanAge: time.Hour}
	for _, c := range []struct {
		name    string
		format  record.SignatureFormat
		removed []string
		want    string
	}{
		{"all bundles, with the legacy tags", record.SignatureBoth, []string{PredicateVuln, signPredicate}, ""},
		{"the attestation", record.SignatureBundle, []string{PredicateVuln}, "[sign/attestation-missing]"},
		{"all", record.SignatureBundle, []string{PredicateVuln, signPredicate}, "[sign/no-signature]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := pushImage(t, host)
			signed := SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: c.format, Attestations: []Attestation{scanned(time.Now())}}
			_, err := Sign(t.Context(), signed)
			require.NoError(t, err)
			cleanUp(t, gone, image, c.removed...)
			_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: wanted})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "it does not have any more")
			require.Equal(t, record.KindRefused, record.KindOf(err))
		})
	}
}

// TestEachPlaceDecidesByItself: a list of referrers that cannot be had does not matter
// where the legacy tags have all that is wanted, and decides where they do not.
func TestEachPlaceDecidesByItself(t *testing.T) {
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	down := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down && strings.Contains(r.URL.Path, "/referrers/") {
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	k, image := ourKeys(t), pushImage(t, strings.TrimPrefix(server.URL, "http://"))
	signLegacy(t, image, k)
	attest(t, image, k, record.SignatureLegacy, scanned(time.Now()))
	down = true
	_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{MaxScanAge: time.Hour}})
	require.NoError(t, err)
	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: theirKeys(t).public})
	require.ErrorContains(t, err, "[sign/registry-unavailable]")
}

// TestEachTagIsWrittenOnce: JiRaska/open-bank-oss#8981 and #9029 (ECR),
// goharbor/harbor#17332.
func TestEachTagIsWrittenOnce(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"ECR":    `400 {"errors":[{"code":"TAG_INVALID","message":"the tag already exists and cannot be overwritten"}]}`,
		"Harbor": `412 {"errors":[{"code":"PRECONDITION","message":"configured as immutable"}]}`,
		"words":  `409 {"errors":[{"code":"DENIED","message":"The repository is immutable"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
			written := map[string]bool{}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tag := r.URL.Path; r.Method == http.MethodPut && strings.Contains(tag, "/manifests/sha256-") {
					if written[tag] {
						var status int
						_, err := fmt.Sscan(answer[:3], &status)
						w.WriteHeader(status)
						_, _ = w.Write([]byte(answer[4:]))
						if err != nil {
							panic(err)
						}
						return
					}
					written[tag] = true
				}
				handler.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			k, image := ourKeys(t), pushImage(t, strings.TrimPrefix(server.URL, "http://"))
			o := SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Attestations: []Attestation{scanned(time.Now()), provenance(t, repository)}}
			done, err := Sign(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, 6, done.Stored)
			require.Len(t, written, 2)
			done, err = Sign(t.Context(), o)
			require.NoError(t, err)
			require.Zero(t, done.Stored)

			o.Attestations = []Attestation{scanned(time.Now().Add(-time.Hour))}
			_, err = Sign(t.Context(), o)
			require.ErrorContains(t, err, "[sign/tag-immutable]")
			require.ErrorContains(t, err, "--sign-format bundle")
			require.Equal(t, record.KindInput, record.KindOf(err))
			o.Format = record.SignatureBundle
			_, err = Sign(t.Context(), o)
			require.NoError(t, err)
		})
	}
}

// TestWhatACleanUpRemovedIsSignedAgain, also where the list of referrers is a tag, and the
// registry takes no list of what it does not have (dataaxiom/ghcr-cleanup-action#104).
func TestWhatACleanUpRemovedIsSignedAgain(t *testing.T) {
	for what, c := range map[string]struct {
		format record.SignatureFormat
		stored int
	}{"a signature": {record.SignatureBundle, 2}, "what a new signature need not read": {record.SignatureBoth, 1}} {
		t.Run(what, func(t *testing.T) {
			host, _ := serve(t)
			image, k := pushImage(t, host), ourKeys(t)
			o := SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: c.format, Attestations: []Attestation{scanned(time.Now())}}
			_, err := Sign(t.Context(), o)
			require.NoError(t, err)
			removeReferrers(t, image)
			if c.format == record.SignatureBoth {
				o.Attestations = nil
			}
			done, err := Sign(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, c.stored, done.Stored)
			_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
			require.NoError(t, err)
		})
	}
}

// removeReferrers removes the manifests, and leaves the list that names them.
func removeReferrers(t *testing.T, image record.Image) {
	t.Helper()
	digest, err := name.NewDigest(image.String())
	require.NoError(t, err)
	index, err := remote.Referrers(digest)
	require.NoError(t, err)
	listed, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, listed.Manifests, 2)
	for _, one := range listed.Manifests {
		require.NoError(t, remote.Delete(digest.Context().Digest(one.Digest.String())))
	}
}
