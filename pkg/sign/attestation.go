package sign

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// The predicate types of the attestations that have a short name.
const (
	PredicateProvenance = "https://slsa.dev/provenance/v1"
	PredicateVuln       = "https://cosign.sigstore.dev/attestation/vuln/v1"
	PredicateCycloneDX  = "https://cyclonedx.org/bom"
	PredicateSPDX       = "https://spdx.dev/Document"
	// PredicateVerdict says how a deploy of the image ended; its predicate is the
	// record of the run.
	PredicateVerdict = "https://stagecrew.dev/attestation/verdict/v1"
)

// predicateTypes are those that have a short name.
var predicateTypes = map[record.AttestationKind]string{
	record.AttestProvenance: PredicateProvenance,
	record.AttestVuln:       PredicateVuln,
	record.AttestCycloneDX:  PredicateCycloneDX,
	record.AttestSPDX:       PredicateSPDX,
	record.AttestVerdict:    PredicateVerdict,
}

// ofCosign are the other names that `cosign attest --type` knows.
var ofCosign = map[string]string{
	"slsaprovenance":   "https://slsa.dev/provenance/v0.2",
	"slsaprovenance02": "https://slsa.dev/provenance/v0.2",
	"slsaprovenance1":  PredicateProvenance,
	"spdxjson":         PredicateSPDX,
	"link":             "https://in-toto.io/Link/v1",
	"openvex":          "https://openvex.dev/ns",
	"custom":           "https://cosign.sigstore.dev/attestation/v1",
}

// versioned are the types to which other tools add the version of the document, as
// https://spdx.dev/Document/v2.3 (GitHub's actions/attest, BuildKit) and
// https://openvex.dev/ns/v0.2.0 (vexctl).
var versioned = map[string]bool{PredicateSPDX: true, PredicateCycloneDX: true, ofCosign["openvex"]: true}

// alsoWritten are other types for the same: those of cosign 1 (sigstore/policy-controller#608,
// kyverno/website#704), and in-toto's, whose scans say when they ended in the same field
// (sigstore/cosign#3360).
var alsoWritten = map[string]string{
	"cosign.sigstore.dev/attestation/vuln/v1":   PredicateVuln,
	"https://in-toto.io/attestation/vulns/v0.1": PredicateVuln,
	"https://in-toto.io/attestation/vulns/v0.2": PredicateVuln,
	"https://cyclonedx.org/schema":              PredicateCycloneDX,
	"cosign.sigstore.dev/attestation/v1":        ofCosign["custom"],
}

// sameType reports whether a predicate type is the wanted one, or what other tools write
// for it.
func sameType(said, wanted string) bool {
	return said == wanted || alsoWritten[said] == wanted || versioned[wanted] && strings.HasPrefix(said, wanted+"/v")
}

// PredicateType gives the predicate type (a URI) for a short name, see
// [record.AttestationKind], or for one of cosign's. A URI stands for itself.
func PredicateType(name string) (string, error) {
	kind := record.AttestationKind(name)
	if predicateType, known := predicateTypes[kind]; known {
		return predicateType, nil
	}
	if predicateType, known := ofCosign[name]; known {
		return predicateType, nil
	}
	if address, err := url.Parse(name); err == nil && address.Scheme != "" && address.Host != "" {
		return name, nil
	}
	return "", fmt.Errorf("attestation %q: allowed are %s, and the URI of a predicate type", name, strings.Join(record.Values(kind.Choices()), ", "))
}

// shortName is the reverse of PredicateType.
func shortName(predicateType string) string {
	for kind, known := range predicateTypes {
		if known == predicateType {
			return string(kind)
		}
	}
	return predicateType
}

// Attestation is a claim about an image, to be signed.
type Attestation struct {
	// Type is the URI of the predicate type.
	Type string
	// Predicate is the claim: a JSON document in the form that Type names.
	Predicate json.RawMessage
}

func (a Attestation) validate() error {
	if address, err := url.Parse(a.Type); err != nil || address.Scheme == "" {
		return fmt.Errorf("attestation of type %q: the type has to be a URI", a.Type)
	}
	if a.Type == signPredicate {
		return fmt.Errorf("attestation of type %q: this is a signature", a.Type)
	}
	if len(a.Predicate) > MaxPredicate {
		return fmt.Errorf("attestation %s: the predicate has %d bytes, the limit is %d: nobody could verify it", shortName(a.Type), len(a.Predicate), MaxPredicate)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(a.Predicate, &object); err != nil {
		return fmt.Errorf("attestation %s: the predicate has to be a JSON object: %w", shortName(a.Type), shown(err))
	}
	return nil
}

// Provenance says where and from what an image was built, as GitHub's own build
// type of SLSA provenance v1 has it. All fields but the numbers and the times are required.
type Provenance struct {
	// Repository is the URL of the source, for example "https://github.com/org/repo".
	Repository string
	// Ref is the git ref, for example "refs/tags/v1.2.3"; Commit the full SHA-1.
	Ref, Commit string
	// Workflow is the path of the workflow file in the repository.
	Workflow string
	// Builder is the URI of what is trusted to have built: the workflow with its ref.
	Builder string
	// Invocation is the URL of the run and its attempt.
	Invocation string
	// Event is the name of the event that started the run.
	Event string
	// RepositoryID and OwnerID are GitHub's numbers, which a new name does not change,
	// and Runner is "github-hosted" or "self-hosted"; "" leaves each out.
	RepositoryID, OwnerID, Runner string
	// Started and Finished are when the build did.
	Started, Finished time.Time
}

// buildType is GitHub's: https://actions.github.io/buildtypes/workflow/v1.
const buildType = "https://actions.github.io/buildtypes/workflow/v1"

// Attestation is the provenance as SLSA provenance v1.
func (p Provenance) Attestation() (Attestation, error) {
	type object = map[string]any
	metadata := object{"invocationId": p.Invocation}
	if !p.Started.IsZero() {
		metadata["startedOn"] = p.Started.UTC().Format(time.RFC3339)
	}
	if !p.Finished.IsZero() {
		metadata["finishedOn"] = p.Finished.UTC().Format(time.RFC3339)
	}
	github := object{"event_name": p.Event}
	for name, value := range map[string]string{"repository_id": p.RepositoryID, "repository_owner_id": p.OwnerID, "runner_environment": p.Runner} {
		if value != "" {
			github[name] = value
		}
	}
	predicate, err := json.Marshal(object{
		"buildDefinition": object{
			"buildType":          buildType,
			"externalParameters": object{"workflow": object{"ref": p.Ref, "repository": p.Repository, "path": p.Workflow}},
			"internalParameters": object{"github": github},
			"resolvedDependencies": []object{{
				"uri":    "git+" + p.Repository + "@" + p.Ref,
				"digest": object{"gitCommit": p.Commit},
			}},
		},
		"runDetails": object{"builder": object{"id": p.Builder}, "metadata": metadata},
	})
	return Attestation{PredicateProvenance, predicate}, err
}

// scannedAt is when the scan of a vulnerability attestation ended.
func scannedAt(predicate json.RawMessage) (time.Time, error) {
	var p struct {
		Metadata struct{ ScanFinishedOn time.Time }
	}
	if err := json.Unmarshal(predicate, &p); err != nil {
		return time.Time{}, fmt.Errorf("reading when the scan ended: %w", err)
	}
	if p.Metadata.ScanFinishedOn.IsZero() {
		return time.Time{}, fmt.Errorf("reading when the scan ended: metadata.scanFinishedOn is missing")
	}
	return p.Metadata.ScanFinishedOn, nil
}
