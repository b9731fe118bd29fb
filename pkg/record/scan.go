package record

import "time"

// Severity is a vulnerability's severity in Trivy's words:
// UNKNOWN, LOW, MEDIUM, HIGH or CRITICAL.
type Severity string

// The severities, from the least to the most severe.
const (
	SeverityUnknown  Severity = "UNKNOWN"
	SeverityLow      Severity = "LOW"
	SeverityMedium   Severity = "MEDIUM"
	SeverityHigh     Severity = "HIGH"
	SeverityCritical Severity = "CRITICAL"
)

// Severities lists all severities in ascending order.
func Severities() []Severity {
	return []Severity{SeverityUnknown, SeverityLow, SeverityMedium, SeverityHigh, SeverityCritical}
}

// Finding is one known vulnerability of one package in an image.
type Finding struct {
	ID           string   `json:"id"`           // CVE-…, GHSA-…
	Severity     Severity `json:"severity"`     //
	Package      string   `json:"package"`      // name as the ecosystem writes it
	PURL         string   `json:"purl"`         // package URL, "" where unknown
	Version      string   `json:"version"`      // installed version
	FixedVersion string   `json:"fixedVersion"` // "" when there is no fix yet
	Target       string   `json:"target"`       // where in the image: a lock file, an OS package set
	Title        string   `json:"title"`        // untrusted text of the advisory
}

// ScanReport is the result of one scan and the policy's decision about it.
type ScanReport struct {
	Image    Image            `json:"image"`
	Findings []Finding        `json:"findings"` // sorted: most severe first, then package, then id
	Counts   map[Severity]int `json:"counts"`   // of Findings
	// Blocking are the findings the policy does not accept; empty means clean.
	Blocking []Finding `json:"blocking"`
	// Packages is how many packages were found and compared.
	Packages int `json:"packages"`
	// NotCompared tells of packages and advisories whose version the scanner does not
	// understand, and of an operating system about which it knows nothing or nothing new;
	// what they would have found is not in Findings.
	NotCompared []string `json:"notCompared,omitempty"`
	// NotRead are files of the image, such as a package.json, that the scanner could not
	// read; what is installed there is not in Findings.
	NotRead []string `json:"notRead,omitempty"`
	// VEXUnmatched are VEX statements that fit no finding; their texts are for people.
	VEXUnmatched []string `json:"vexUnmatched,omitempty"`
	// DatabaseUpdated is when the vulnerability database was made.
	DatabaseUpdated time.Time `json:"databaseUpdated"`
	// Suppressed are findings that an ignore entry or a VEX statement took out; their
	// texts are for people.
	Suppressed []string `json:"suppressed,omitempty"`
	// Expired are ignore entries without effect, because their date has passed;
	// Unmatched are those for which there is no finding.
	Expired   []string `json:"expired,omitempty"`
	Unmatched []string `json:"unmatched,omitempty"`
}
