package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/sign"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxPredicate bounds the file of an attestation: what can be verified again.
const maxPredicate = sign.MaxPredicate

// The attestations that need no file.
const (
	attestProvenance = string(record.AttestProvenance)
	attestVerdict    = string(record.AttestVerdict)
	attestNone       = "none"
)

// claims are what may be signed with an image.
type claims struct {
	wanted  []string // by --attest
	source  gha.Source
	isBuilt bool                       // by this workflow, from that source
	scanned map[string]json.RawMessage // documents of its scan, by kind
	read    map[string]json.RawMessage // files, by name
}

func (s *slice) claims(ctx context.Context, scanned map[string]json.RawMessage) claims {
	read, _ := s.claimFiles() // without an error here: it is one of the options
	return claims{s.settings.Attest, s.builtBy(ctx), s.isOurs(), scanned, read}
}

// builtBy is the source with the workflow file that the job is of as its builder, where
// GitHub tells: the variables name the one that was started, which may only call that.
func (s *slice) builtBy(ctx context.Context) gha.Source {
	source := s.host.Actions.Source()
	if source.Repository == "" || s.host.Actions.CanIdentify() != nil {
		return source
	}
	own, err := s.identity(ctx)
	if err != nil {
		s.host.Log.Warn("the provenance names the workflow that was started, which may not be the one that builds", "because", err)
		return source
	}
	source.Builder = own.Name
	return source
}

// claimFiles are the files of --attest, read before any work is done, but for those
// that the run's own scan writes.
func (s *slice) claimFiles() (map[string]json.RawMessage, error) {
	return s.kept.claimFiles.of(s.readClaimFiles)
}

func (s *slice) readClaimFiles() (map[string]json.RawMessage, error) {
	r := s.settings.ScanReports
	later := []string{r.JSON, r.SARIF, r.CycloneDX, r.SPDX, r.CosignVuln}
	all := map[string]json.RawMessage{}
	var problems []error
	for _, one := range s.settings.Attest {
		kind, file, fromFile := strings.Cut(one, "=")
		if !fromFile || slices.Contains(later, file) {
			continue
		}
		text, err := readClaim(kind, file)
		if err != nil {
			problems = append(problems, record.BadInput("config/invalid", "--attest %s: %w", one, err))
			continue
		}
		all[file] = text
	}
	return all, record.Problems(problems...)
}

// readClaim reads the file of a predicate of a kind, which is a JSON object.
func readClaim(kind, file string) (json.RawMessage, error) {
	content, err := files.Read(file, maxPredicate)
	if err != nil {
		return nil, err
	}
	content = text.Unmarked(content)
	var object map[string]json.RawMessage
	if err := json.Unmarshal(content, &object); err != nil {
		return nil, fmt.Errorf("want a JSON object: %w", err)
	}
	return content, fitsKind(kind, object)
}

// fitsKind refuses what would be signed as something that it is not: another tool's whole
// statement, which names its own subject (sigstore/cosign#3641, #4019), and an SBOM of
// the other format. That of a document is told by a field that the other has not.
func fitsKind(kind string, object map[string]json.RawMessage) error {
	is := func(field string) bool { _, there := object[field]; return there }
	predicateType, _ := sign.PredicateType(kind)
	switch {
	case is("predicateType") && is("subject"):
		return errors.New("it is a whole in-toto statement, about a subject of its own: give its predicate alone, and its type as KIND")
	case is("payloadType") && is("signatures") || is("dsseEnvelope"):
		return errors.New("it is signed already, a statement in an envelope: give the predicate alone, and its type as KIND")
	case predicateType == sign.PredicateCycloneDX && is("spdxVersion"):
		return errors.New("it is an SPDX document, not CycloneDX: write spdx=FILE")
	case predicateType == sign.PredicateSPDX && is("bomFormat"):
		return errors.New("it is a CycloneDX document, not SPDX: write cyclonedx=FILE")
	}
	return nil
}

// attestations are the claims that are signed with the image: those that --attest
// names or, without it, what this run knows.
func (c claims) attestations() ([]sign.Attestation, error) {
	wanted := c.wanted
	if len(wanted) == 0 {
		wanted = c.known()
	}
	var all []sign.Attestation
	for _, one := range wanted {
		kind, file, fromFile := strings.Cut(one, "=")
		if kind == attestNone || kind == attestVerdict && !fromFile {
			continue // the verdict is attested when it is known
		}
		made, err := c.attestation(kind, file, fromFile)
		if err != nil {
			return nil, record.BadInput("config/invalid", "--attest %s: %w", one, err)
		}
		all = append(all, made)
	}
	return all, nil
}

// knownKinds finds the kinds of attestation that there are not.
func knownKinds(all []string) error {
	var problems []error
	for _, one := range all {
		kind, _, _ := strings.Cut(one, "=")
		if _, err := sign.PredicateType(kind); err != nil && kind != attestNone {
			problems = append(problems, record.BadInput("config/invalid", "--attest: %w", err))
		}
	}
	return record.Problems(problems...)
}

// known are the kinds of attestations for which this run has what they claim.
func (c claims) known() []string {
	var kinds []string
	if c.source.Repository != "" && c.isBuilt {
		kinds = append(kinds, attestProvenance)
	}
	for kind := range c.scanned {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

func (c claims) attestation(kind, file string, fromFile bool) (sign.Attestation, error) {
	predicateType, err := sign.PredicateType(kind)
	if err != nil {
		return sign.Attestation{}, err
	}
	if fromFile {
		text, have := c.read[file]
		if !have {
			text, err = readClaim(kind, file)
		}
		return sign.Attestation{Type: predicateType, Predicate: text}, err
	}
	if kind == attestProvenance {
		return provenance(c.source)
	}
	if text, have := c.scanned[kind]; have {
		return sign.Attestation{Type: predicateType, Predicate: text}, nil
	}
	return sign.Attestation{}, fmt.Errorf("this run has none: give its file, %s=FILE", kind)
}

// provenance says which workflow built the image from what source.
func provenance(source gha.Source) (sign.Attestation, error) {
	if source.Repository == "" {
		return sign.Attestation{}, fmt.Errorf("only a workflow of GitHub Actions can say where the image was built; give a file, %s=FILE", attestProvenance)
	}
	return sign.Provenance{
		Repository: source.Repository, Ref: source.Ref, Commit: source.Commit, Workflow: source.Workflow,
		Builder: source.Builder, Invocation: source.Invocation, Event: source.Event,
		RepositoryID: source.RepositoryID, OwnerID: source.OwnerID, Runner: source.Runner,
	}.Attestation()
}
