package record

import (
	"fmt"
	"strings"
)

// Choice is one value of an enumeration, with what it means where the word alone
// does not say it.
type Choice struct{ Value, Meaning string }

// Enum is a string type with a list of its values, the only one there is: help
// texts, the schema of the configuration file and messages are made from it.
type Enum interface {
	~string
	Choices() []Choice
}

// Values are the values of an enumeration, in the order of its list.
func Values(choices []Choice) []string {
	all := make([]string, len(choices))
	for i, c := range choices {
		all[i] = c.Value
	}
	return all
}

// plain are values whose words alone say what they mean.
func plain[E ~string](values ...E) []Choice {
	all := make([]Choice, len(values))
	for i, v := range values {
		all[i].Value = string(v)
	}
	return all
}

// CheckChoice is an error that names the values that are allowed unless the value is
// one of them.
func CheckChoice[E Enum](value E) error {
	allowed := Values(value.Choices())
	for _, one := range allowed {
		if one == string(value) {
			return nil
		}
	}
	return fmt.Errorf("%q: allowed are %s", string(value), strings.Join(allowed, ", "))
}

// Builder is what makes an image.
type Builder string

// The builders.
const (
	BuilderAuto       Builder = "auto"
	BuilderLayers     Builder = "layers"     // needs no Dockerfile either
	BuilderDockerfile Builder = "dockerfile" // by docker buildx or buildctl
)

// Choices are all builders.
func (Builder) Choices() []Choice {
	return []Choice{
		{string(BuilderAuto), "chooses and says why"},
		{string(BuilderLayers), "for Node backends, needs no daemon"},
		{string(BuilderDockerfile), "drives BuildKit"},
	}
}

// SignatureFormat is how signatures and attestations are stored in the registry.
type SignatureFormat string

// The formats. Legacy is what every version of cosign and every policy controller
// reads: tags "sha256-….sig" and "sha256-….att" beside the image. Bundle is
// Sigstore's bundle v0.3 as an OCI referrer of the image, the default of cosign 3.
const (
	SignatureLegacy SignatureFormat = "legacy"
	SignatureBundle SignatureFormat = "bundle"
	SignatureBoth   SignatureFormat = "both"
)

// Choices are all formats.
func (SignatureFormat) Choices() []Choice {
	return []Choice{
		{string(SignatureLegacy), "which every version of cosign reads"},
		{string(SignatureBundle), ""},
		{string(SignatureBoth), ""},
	}
}

// Choices are all verdicts.
func (Verdict) Choices() []Choice {
	return plain(VerdictGood, VerdictRolledBack, VerdictNeedsHuman, VerdictRefused, VerdictCancelled, VerdictUnknown, VerdictOK, VerdictError)
}

// Choices are all severities, the least severe first.
func (Severity) Choices() []Choice {
	return plain(Severities()...)
}

// AttestationKind is the short name of a predicate type.
type AttestationKind string

// The kinds of attestations that have a short name.
const (
	AttestProvenance AttestationKind = "provenance"
	AttestVuln       AttestationKind = "vuln"
	AttestCycloneDX  AttestationKind = "cyclonedx"
	AttestSPDX       AttestationKind = "spdx"
	AttestVerdict    AttestationKind = "verdict"
)

// Choices are all kinds with a short name.
func (AttestationKind) Choices() []Choice {
	return plain(AttestProvenance, AttestVuln, AttestCycloneDX, AttestSPDX, AttestVerdict)
}

// The values of --smoke that are not files. SmokeBackstage is a value of --log-pattern,
// too.
const (
	SmokeBackstage = "backstage"
	SmokeNone      = "none"
)
