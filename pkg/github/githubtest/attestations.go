package githubtest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// NoAttestations are GitHub's words for a repository without its store of attestations
// (github/docs#35835, TomHennen/wrangle#597).
const NoAttestations = "Feature not available for user-owned private repositories. To enable this feature, please make this repository public."

// attestationSchema is that of POST /repos/{owner}/{repo}/attestations.
var attestationSchema = schema{"bundle": {kind: "object", required: true}}

// Attestations are the bundles that were stored, oldest first.
func (s *Server) Attestations() []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.attestations)
}

func (s *Server) createAttestation(c *call) {
	body, ok := c.read("Attestation", attestationSchema)
	if !ok {
		return
	}
	bundle, err := json.Marshal(body["bundle"])
	if problem := bundleProblem(bundle); err != nil || problem != "" {
		refuse(c.w, http.StatusUnprocessableEntity, "Invalid Argument - "+problem, nil)
		return
	}
	s.attestations = append(s.attestations, bundle)
	answer(c.w, http.StatusCreated, map[string]any{"id": s.next()})
}

// bundleProblem is what GitHub does not take of a Sigstore bundle: it wants a statement
// about something, signed by a workflow (actions/attest-build-provenance#216).
func bundleProblem(text []byte) string {
	var bundle struct {
		MediaType            string
		VerificationMaterial struct{ Certificate, X509CertificateChain json.RawMessage }
		DSSEEnvelope         struct{ Payload, PayloadType string }
	}
	var statement struct {
		Subject []struct{ Digest map[string]string }
	}
	err := json.Unmarshal(text, &bundle)
	payload, _ := base64.StdEncoding.DecodeString(bundle.DSSEEnvelope.Payload)
	switch {
	case err != nil || !strings.HasPrefix(bundle.MediaType, "application/vnd.dev.sigstore.bundle"):
		return "invalid bundle"
	case bundle.VerificationMaterial.Certificate == nil && bundle.VerificationMaterial.X509CertificateChain == nil:
		return "no certificate in bundle"
	case bundle.DSSEEnvelope.PayloadType != "application/vnd.in-toto+json" || json.Unmarshal(payload, &statement) != nil || len(statement.Subject) == 0:
		return "no subject in statement"
	}
	return ""
}
