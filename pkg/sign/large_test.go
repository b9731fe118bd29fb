package sign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/race"
)

// bom is an SBOM of so many packages, each with what SPDX says about one: 1.7 kB.
func bom(packages int) Attestation {
	var text strings.Builder
	text.WriteString(`{"spdxVersion":"SPDX-2.3","packages":[`)
	for i := range packages {
		if i > 0 {
			text.WriteString(",")
		}
		fmt.Fprintf(&text, `{"SPDXID":"SPDXRef-Package-%d","name":"package-%d","versionInfo":"1.%d.0","annotations":[{"comment":"%s"}]}`, i, i, i, strings.Repeat("node_modules/", 126))
	}
	text.WriteString(`]}`)
	return Attestation{PredicateSPDX, json.RawMessage(text.String())}
}

// TestALargeSBOMIsSignedAndVerified: what sign stores verify reads, in either format, also
// the SBOM of 20 000 packages (actions/attest#262,
// chainguard-dev/terraform-provider-cosign#537: SBOMs of large images).
func TestALargeSBOMIsSignedAndVerified(t *testing.T) {
	t.Parallel()
	host, _ := serve(t)
	image, k := pushImage(t, host), ourKeys(t)
	packages := 20_000
	if testing.Short() || race.Enabled {
		packages = 1_900
	}
	large := bom(packages)
	require.Greater(t, len(large.Predicate), packages*1_700)
	o := SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Attestations: []Attestation{large, scanned(time.Now())}}
	done, err := Sign(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, 6, done.Stored)
	done, err = Sign(t.Context(), o)
	require.NoError(t, err)
	require.Zero(t, done.Stored, "a repeated sign reads it")
	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{MaxScanAge: time.Hour, Attestations: []string{PredicateSPDX}}})
	require.NoError(t, err)
}

func TestWhatNobodyCouldVerifyIsNotSigned(t *testing.T) {
	huge := Attestation{PredicateSPDX, json.RawMessage(`{"a":"` + strings.Repeat("x", MaxPredicate) + `"}`)}
	_, err := Attest(t.Context(), SignOptions{Image: anImage, Key: "k", Attestations: []Attestation{huge}})
	require.ErrorContains(t, err, "nobody could verify it")
	require.Equal(t, record.KindInput, record.KindOf(err))
}

// planted is something that anybody who may push has put beside an image.
type planted struct{ size, real int64 }

// Digest implements [v1.Layer]; so do those that follow.
func (p planted) layer(mediaType types.MediaType) v1.Layer {
	return static.NewLayer(bytes.Repeat([]byte("x"), int(p.real)), mediaType)
}

func TestWhatOthersPutBesideAnImageHidesNothing(t *testing.T) {
	t.Parallel()
	host, _ := serve(t)
	k := ourKeys(t)
	for name, c := range map[string]struct {
		place string
		lie   int64 // about the size, 0 for none
		size  int64
	}{
		"an attestation that is too large": {place: "att", lie: maxEntry + 1, size: 100},
		"a signature that is too large":    {place: "sig", lie: maxEntry + 1, size: 100},
		"an attestation with another size": {place: "att", size: 100, lie: 10},
		"a signature with another size":    {place: "sig", size: 100, lie: 10},
		"a bundle that is too large":       {place: "referrer", lie: maxEntry + 1, size: 100},
		"a bundle with another size":       {place: "referrer", size: 100, lie: 10},
	} {
		t.Run(name, func(t *testing.T) {
			image := pushImage(t, host)
			signed := SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Attestations: []Attestation{scanned(time.Now())}}
			_, err := Sign(t.Context(), signed)
			require.NoError(t, err)
			plant(t, image, c.place, planted{c.lie, c.size})
			_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{MaxScanAge: time.Hour}})
			require.NoError(t, err)
			done, err := Sign(t.Context(), signed)
			require.NoError(t, err)
			require.Zero(t, done.Stored)
		})
	}
}

// plant adds a layer, with a size that may be wrong, to what lies beside an image.
func plant(t *testing.T, image record.Image, where string, p planted) {
	t.Helper()
	mediaType := types.MediaType("application/vnd.dsse.envelope.v1+json")
	var ref name.Reference
	base := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	digest, err := name.NewDigest(image.String())
	require.NoError(t, err)
	switch where {
	case "referrer":
		mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
		subject, err := remote.Head(digest)
		require.NoError(t, err)
		base = mutate.Subject(base, *subject).(v1.Image)
	default:
		tag := tagOf(image)
		ref, err = name.NewTag(tag[:len(tag)-len("sig")] + where)
		require.NoError(t, err)
		base, err = remote.Image(ref)
		require.NoError(t, err)
	}
	layer := p.layer(mediaType)
	require.NoError(t, remote.WriteLayer(digest.Context(), layer))
	full, err := mutate.AppendLayers(base, layer)
	require.NoError(t, err)
	raw, err := full.RawManifest()
	require.NoError(t, err)
	if p.size > 0 {
		sum, err := layer.Digest()
		require.NoError(t, err)
		var manifest v1.Manifest
		require.NoError(t, json.Unmarshal(raw, &manifest))
		for i := range manifest.Layers {
			if manifest.Layers[i].Digest == sum {
				manifest.Layers[i].Size = p.size
			}
		}
		raw, err = json.Marshal(manifest)
		require.NoError(t, err)
	}
	config, err := full.RawConfigFile()
	require.NoError(t, err)
	require.NoError(t, remote.WriteLayer(digest.Context(), static.NewLayer(config, types.OCIConfigJSON)))
	if ref == nil {
		sum, _, err := v1.SHA256(bytes.NewReader(raw))
		require.NoError(t, err)
		ref = digest.Digest(sum.String())
	}
	require.NoError(t, remote.Put(ref, rawManifest(raw)))
}

type rawManifest []byte

func (r rawManifest) RawManifest() ([]byte, error) { return r, nil }

func (r rawManifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

func TestAStatementIsOneOfInToto(t *testing.T) {
	text := func(kind string) []byte {
		return []byte(`{"_type":"` + kind + `","predicateType":"https://example.com/x","subject":[{"digest":{"sha256":"00"}}]}`)
	}
	for _, kind := range []string{statementType, statementTypeBefore} {
		_, err := readStatement(text(kind))
		require.NoError(t, err)
	}
	for _, kind := range []string{"", "https://in-toto.io/Statement/v2", "https://example.com/Statement/v1"} {
		_, err := readStatement(text(kind))
		require.ErrorContains(t, err, "its _type is")
	}
}
