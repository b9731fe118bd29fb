package sign

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const repository = "https://github.com/org/repo"

func scanned(at time.Time) Attestation {
	return Attestation{PredicateVuln, json.RawMessage(fmt.Sprintf(`{"scanner":{"uri":"pkg:github/aquasecurity/trivy"},"metadata":{"scanFinishedOn":%q}}`, at.UTC().Format(time.RFC3339)))}
}

func provenance(t *testing.T, from string) Attestation {
	t.Helper()
	a, err := Provenance{Repository: from, Ref: "refs/tags/v1.2.3", Commit: "0123456789012345678901234567890123456789", Workflow: ".github/workflows/release.yml",
		Builder: workflow, Invocation: from + "/actions/runs/1/attempts/1", Event: "push", Started: time.Now()}.Attestation()
	require.NoError(t, err)
	return a
}

// GitHub's own action writes these (actions/toolkit, packages/attest/src/provenance.ts),
// and GitHub's store checks whether a provenance is of that shape
// (docker/github-builder#183).
func TestAProvenanceHasTheShapeOfGitHubsOwn(t *testing.T) {
	t.Parallel()
	p := Provenance{Repository: repository, Ref: "refs/heads/main", Commit: "01", Workflow: "w.yml", Builder: "b", Invocation: "i", Event: "push"}
	for want, change := range map[string]func(){
		`{"event_name":"push"}`: func() { p.RepositoryID, p.OwnerID, p.Runner = "", "", "" },
		`{"event_name":"push","repository_id":"212613049","repository_owner_id":"59704711","runner_environment":"github-hosted"}`: func() { p.RepositoryID, p.OwnerID, p.Runner = "212613049", "59704711", "github-hosted" },
	} {
		change()
		a, err := p.Attestation()
		require.NoError(t, err)
		require.JSONEq(t, `{"buildDefinition":{"buildType":"https://actions.github.io/buildtypes/workflow/v1",
			"externalParameters":{"workflow":{"ref":"refs/heads/main","repository":"`+repository+`","path":"w.yml"}},"internalParameters":{"github":`+want+`},
			"resolvedDependencies":[{"uri":"git+`+repository+`@refs/heads/main","digest":{"gitCommit":"01"}}]},
			"runDetails":{"builder":{"id":"b"},"metadata":{"invocationId":"i"}}}`, string(a.Predicate))
	}
}

func attest(t *testing.T, image record.Image, k pair, format record.SignatureFormat, all ...Attestation) Signature {
	t.Helper()
	done, err := Attest(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: format, Attestations: all})
	require.NoError(t, err)
	return done
}

// copyAttestations puts what is attested about one image beside another.
func copyAttestations(t *testing.T, from, to record.Image) {
	t.Helper()
	tag := func(image record.Image) name.Tag {
		one, err := name.NewTag(tagOf(image)[:len(tagOf(image))-len("sig")] + "att")
		require.NoError(t, err)
		return one
	}
	genuine, err := remote.Image(tag(from))
	require.NoError(t, err)
	require.NoError(t, remote.Write(tag(to), genuine))
}

func TestAPolicyIsMetInEitherFormat(t *testing.T) {
	t.Parallel()
	host, _ := serve(t)
	k := ourKeys(t)
	for _, format := range []record.SignatureFormat{record.SignatureLegacy, record.SignatureBundle, record.SignatureBoth} {
		t.Run(string(format), func(t *testing.T) {
			image := pushImage(t, host)
			done, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: format,
				Attestations: []Attestation{scanned(time.Now()), provenance(t, repository), {PredicateCycloneDX, json.RawMessage(`{"bomFormat":"CycloneDX"}`)}}})
			require.NoError(t, err)
			require.Equal(t, map[record.SignatureFormat]int{record.SignatureLegacy: 4, record.SignatureBundle: 4, record.SignatureBoth: 8}[format], done.Stored)
			require.Len(t, done.Bundles, map[record.SignatureFormat]int{record.SignatureBundle: 3, record.SignatureBoth: 3}[format])
			verified, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{
				Attestations: []string{PredicateCycloneDX}, MaxScanAge: time.Hour, Repository: repository + ".git"}})
			require.NoError(t, err)
			require.Equal(t, k.identity, verified.Identity())
		})
	}
}

func TestARuleThatIsNotMetIsNamed(t *testing.T) {
	t.Parallel()
	host, _ := serve(t)
	k, other := ourKeys(t), theirKeys(t)
	for _, c := range []struct {
		name   string
		attest func(t *testing.T, image record.Image)
		policy Policy
		want   []string
	}{
		{"nothing is attested", func(*testing.T, record.Image) {}, Policy{Attestations: []string{PredicateSPDX}}, []string{"no spdx attestation", "[sign/attestation-missing]"}},
		{"something else is attested", func(t *testing.T, image record.Image) { attest(t, image, k, "", scanned(time.Now())) },
			Policy{Repository: repository}, []string{"no provenance attestation", "[sign/attestation-missing]"}},
		{"it is attested by somebody else", func(t *testing.T, image record.Image) { attest(t, image, other, "", scanned(time.Now())) },
			Policy{MaxScanAge: time.Hour}, []string{other.identity, k.identity, "[sign/attestation-untrusted]"}},
		{"the attestation of another image, copied", func(t *testing.T, image record.Image) {
			clean := pushImage(t, host)
			attest(t, clean, k, record.SignatureLegacy, scanned(time.Now()))
			copyAttestations(t, clean, image)
		}, Policy{MaxScanAge: time.Hour}, []string{"not about this image", "[sign/attestation-other-digest]"}},
		{"the scan is old", func(t *testing.T, image record.Image) {
			attest(t, image, k, "", scanned(time.Now().Add(-2*time.Hour)))
		}, Policy{MaxScanAge: time.Hour}, []string{"at most 1h0m0s old", "[sign/scan-stale]"}},
		{"the scan is dated tomorrow", func(t *testing.T, image record.Image) {
			attest(t, image, k, "", scanned(time.Now().Add(24*time.Hour)))
		}, Policy{MaxScanAge: time.Hour}, []string{"in the future", "[sign/scan-stale]"}},
		{"the scan does not say when it was", func(t *testing.T, image record.Image) {
			attest(t, image, k, "", Attestation{PredicateVuln, json.RawMessage(`{"metadata":{}}`)})
		}, Policy{MaxScanAge: time.Hour}, []string{"scanFinishedOn", "[sign/scan-unreadable]"}},
		{"it was built from another repository", func(t *testing.T, image record.Image) {
			attest(t, image, k, "", provenance(t, "https://github.com/else/repo"))
		}, Policy{Repository: repository}, []string{"https://github.com/else/repo", "[sign/provenance-repository]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := pushImage(t, host)
			sign(t, image, k)
			c.attest(t, image)
			_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
			require.NoError(t, err, "without the policy the image is good")
			verified, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: c.policy})
			require.Equal(t, record.KindRefused, record.KindOf(err))
			require.Zero(t, verified)
			for _, part := range c.want {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func TestTheNewestScanDecides(t *testing.T) {
	t.Parallel()
	host, _ := serve(t)
	image, k := pushImage(t, host), ourKeys(t)
	sign(t, image, k)
	attest(t, image, k, "", scanned(time.Now().Add(-48*time.Hour)), scanned(time.Now()))
	_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{MaxScanAge: time.Hour}})
	require.NoError(t, err)
}

func TestAnAttestationIsNoSignature(t *testing.T) {
	host, _ := serve(t)
	image, k := pushImage(t, host), ourKeys(t)
	attest(t, image, k, "", scanned(time.Now()))
	_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
	require.ErrorContains(t, err, "[sign/no-signature]")
}

func TestWhatIsAttestedAlreadyIsNotStoredAgain(t *testing.T) {
	host, _ := serve(t)
	image, k := pushImage(t, host), ourKeys(t)
	at := time.Now()
	require.Equal(t, 2, attest(t, image, k, "", scanned(at)).Stored)
	require.Equal(t, 0, attest(t, image, k, "", scanned(at)).Stored)
	require.Equal(t, 2, attest(t, image, k, "", scanned(at.Add(time.Minute))).Stored, "another scan is another claim")
}

func TestAttestationsThatCannotBeMade(t *testing.T) {
	for _, c := range []struct {
		name string
		a    Attestation
		want string
	}{
		{"no type", Attestation{"", []byte("{}")}, "has to be a URI"},
		{"a word for a type", Attestation{"vuln", []byte("{}")}, "has to be a URI"},
		{"a signature", Attestation{signPredicate, []byte("{}")}, "this is a signature"},
		{"no predicate", Attestation{PredicateVuln, nil}, "has to be a JSON object"},
		{"a list", Attestation{PredicateVuln, []byte("[]")}, "has to be a JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Attest(t.Context(), SignOptions{Registry: brisk, Image: anImage, Key: "k", Attestations: []Attestation{c.a}})
			require.ErrorContains(t, err, c.want)
			require.Equal(t, record.KindInput, record.KindOf(err))
		})
	}
}

func TestNamesOfPredicateTypes(t *testing.T) {
	for short, whole := range map[string]string{"vuln": PredicateVuln, "provenance": PredicateProvenance, "https://example.com/x/v1": "https://example.com/x/v1"} {
		got, err := PredicateType(short)
		require.NoError(t, err)
		require.Equal(t, whole, got)
		require.Equal(t, short, shortName(whole))
	}
	// As `cosign attest --type` has them.
	for name, whole := range map[string]string{"slsaprovenance": "https://slsa.dev/provenance/v0.2", "slsaprovenance1": PredicateProvenance, "spdxjson": PredicateSPDX, "cyclonedx": PredicateCycloneDX, "vuln": PredicateVuln} {
		got, err := PredicateType(name)
		require.NoError(t, err)
		require.Equal(t, whole, got)
	}
	_, err := PredicateType("sbom")
	require.ErrorContains(t, err, "allowed are provenance, vuln, cyclonedx, spdx, verdict")
}

// Sources: sigstore/policy-controller#608 (cosign 1 writes no https://), kyverno/website#704.
func TestSameType_WhatOtherToolsWriteForTheSame(t *testing.T) {
	for said, wanted := range map[string]string{
		"cosign.sigstore.dev/attestation/vuln/v1": PredicateVuln,
		"https://openvex.dev/ns/v0.2.0":           ofCosign["openvex"], "https://in-toto.io/attestation/vulns/v0.2": PredicateVuln,
		"https://cyclonedx.org/schema": PredicateCycloneDX, "cosign.sigstore.dev/attestation/v1": ofCosign["custom"],
	} {
		require.True(t, sameType(said, wanted), said)
		require.False(t, sameType(wanted, said), "what is wanted by its own URI is that")
	}
	for _, said := range []string{"", "https://spdx.dev/Documents", "https://slsa.dev/provenance/v0.2", "https://in-toto.io/attestation/vulnerable/v0.1"} {
		for _, wanted := range predicateTypes {
			require.False(t, sameType(said, wanted), said)
		}
	}
}

func TestEveryKindOfAttestationHasAPredicateType(t *testing.T) {
	for _, kind := range record.AttestationKind("").Choices() {
		predicateType, err := PredicateType(kind.Value)
		require.NoError(t, err)
		require.Equal(t, kind.Value, shortName(predicateType))
	}
}

// An SBOM of another tool has the version of the document in its type (actions/attest:
// https://spdx.dev/Document/v2.3); a scan may have that of in-toto (sigstore/cosign#3360).
func TestAnAttestationOfAnotherTool(t *testing.T) {
	host, _ := serve(t)
	k := ourKeys(t)
	for said, wanted := range map[string]string{
		"https://spdx.dev/Document/v2.3": PredicateSPDX, "https://cyclonedx.org/bom/v1.6": PredicateCycloneDX,
		"https://in-toto.io/attestation/vulns/v0.1": PredicateVuln,
	} {
		for _, format := range []record.SignatureFormat{record.SignatureLegacy, record.SignatureBundle} {
			image := pushImage(t, host)
			_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: format, Attestations: []Attestation{{said, []byte("{}")}}})
			require.NoError(t, err)
			_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{Attestations: []string{wanted}}})
			require.NoError(t, err)
			_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{Attestations: []string{PredicateProvenance}}})
			require.Error(t, err)
		}
	}
}
