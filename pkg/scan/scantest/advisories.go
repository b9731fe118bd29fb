package scantest

import (
	_ "embed" // the advisories
	"fmt"
	"strings"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/aquasecurity/trivy-db/pkg/vulnsrc/vulnerability"
	"sigs.k8s.io/yaml"
)

//go:embed advisories.yaml
var source []byte

// advisory is one entry of advisories.yaml.
type advisory struct {
	ID         string            `json:"id"`
	GHSA       string            `json:"ghsa"`
	Package    string            `json:"package"`
	Release    string            `json:"release"` // of Debian
	Vulnerable []string          `json:"vulnerable"`
	Patched    []string          `json:"patched"`
	Fixed      string            `json:"fixed"`
	Urgency    string            `json:"urgency"` // Debian's own severity for this package
	Title      string            `json:"title"`
	Severity   map[string]string `json:"severity"` // by source
	CWE        []string          `json:"cwe"`
	Published  string            `json:"published"`
}

func advisories() (npm, debian []advisory, err error) {
	var all struct{ NPM, Debian []advisory }
	err = yaml.UnmarshalStrict(source, &all)
	return all.NPM, all.Debian, err
}

// detail is what the database says about the vulnerability, whatever the package.
func (a advisory) detail() (types.Vulnerability, error) {
	published, err := time.Parse(time.DateOnly, a.Published)
	if err != nil {
		return types.Vulnerability{}, fmt.Errorf("parsing date of %s: %w", a.ID, err)
	}
	severities := types.VendorSeverity{}
	var highest types.Severity
	for source, name := range a.Severity {
		severity, err := types.NewSeverity(name)
		if err != nil {
			return types.Vulnerability{}, fmt.Errorf("parsing severity of %s: %w", a.ID, err)
		}
		severities[types.SourceID(source)] = severity
		highest = max(highest, severity)
	}
	references := []string{"https://nvd.nist.gov/vuln/detail/" + a.ID}
	if a.GHSA != "" {
		references = append(references, "https://github.com/advisories/"+a.GHSA)
	} else {
		references = append(references, "https://security-tracker.debian.org/tracker/"+a.ID)
	}
	return types.Vulnerability{
		Title:          a.Title,
		Severity:       highest.String(), //nolint:staticcheck // the field of the present database schema, which Trivy's own databases fill
		CweIDs:         a.CWE,
		VendorSeverity: severities,
		References:     references,
		PublishedDate:  &published,
	}, nil
}

// entry is what the database says about the package.
func (a advisory) entry() (types.Advisory, error) {
	entry := types.Advisory{
		VulnerableVersions: a.Vulnerable,
		PatchedVersions:    a.Patched,
		FixedVersion:       a.Fixed,
	}
	if a.GHSA != "" {
		entry.VendorIDs = []string{a.GHSA}
	}
	if a.Release != "" && a.Fixed == "" {
		entry.Status = types.StatusAffected
	}
	if a.Urgency != "" {
		severity, err := types.NewSeverity(strings.ToUpper(a.Urgency))
		if err != nil {
			return types.Advisory{}, fmt.Errorf("parsing urgency of %s: %w", a.ID, err)
		}
		entry.Severity = severity
	}
	return entry, nil
}

var (
	npmSource = types.DataSource{
		ID:   vulnerability.GHSA,
		Name: "GitHub Security Advisory npm",
		URL:  "https://github.com/advisories?query=type%3Areviewed+ecosystem%3Anpm",
	}
	debianSource = types.DataSource{
		ID:   vulnerability.Debian,
		Name: "Debian Security Tracker",
		URL:  "https://salsa.debian.org/security-tracker-team/security-tracker",
	}
)
