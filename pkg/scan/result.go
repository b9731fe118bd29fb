package scan

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Result is what one scan found, and what a policy says about it. All reports come
// from it by [Result.Write], without another scan.
type Result struct {
	// Report has the findings that count, and the decision.
	Report record.ScanReport `json:"report"`
	// Platform is the image's, for example "linux/amd64"; "" for an index.
	Platform string `json:"platform,omitempty"`
	// Suppressed are findings that an ignore entry or a VEX statement took out.
	Suppressed []Suppressed `json:"suppressed"`
	// Expired are ignore entries whose date has passed. They have no effect.
	Expired []Ignore `json:"expired"`
	// Unmatched are ignore entries for which there is no finding (any more).
	Unmatched []Ignore `json:"unmatched"`
	// Platforms are the results for the single images of an index.
	Platforms []Result `json:"platforms,omitempty"`

	inventory inventory
}

// Suppressed is a finding that does not count.
type Suppressed struct {
	Finding record.Finding `json:"finding"`
	// Status is "ignored" for an ignore entry, "not_affected" or "fixed" for VEX.
	Status string `json:"status"`
	// Reason is the entry's statement or VEX's justification.
	Reason string `json:"reason"`
	// Source is the file that says so.
	Source string `json:"source"`
}

// Ignore is one entry of an ignore file.
type Ignore struct {
	ID string `json:"id"`
	// PURLs and Paths limit the entry to packages (without a version: to all of
	// theirs) and files (glob patterns with **); empty means any.
	PURLs  []string `json:"purls,omitempty"`
	Paths  []string `json:"paths,omitempty"`
	Reason string   `json:"reason"`
	// Expires is the date from which the entry does not count; zero for never.
	Expires time.Time `json:"expires"`
}

// Format is a format of a report.
type Format string

// The formats that [Result.Write] knows.
const (
	FormatTable      Format = "table"       // plain text for people
	FormatJSON       Format = "json"        // Trivy's own, schema 2, without packages
	FormatSARIF      Format = "sarif"       // SARIF 2.1.0, for code scanning
	FormatCycloneDX  Format = "cyclonedx"   // SBOM, CycloneDX JSON, without vulnerabilities
	FormatSPDX       Format = "spdx-json"   // SBOM, SPDX 2.3 JSON
	FormatCosignVuln Format = "cosign-vuln" // predicate of https://cosign.sigstore.dev/attestation/vuln/v1
)

// Formats lists all formats.
func Formats() []Format {
	return []Format{FormatTable, FormatJSON, FormatSARIF, FormatCycloneDX, FormatSPDX, FormatCosignVuln}
}

// Write writes a report. Those of an index have the findings and packages of all its
// platforms; an SBOM of one platform comes from its entry in Platforms. Several reports
// may be written at the same time.
func (r Result) Write(ctx context.Context, w io.Writer, format Format) error {
	if !slices.Contains(Formats(), format) {
		return record.BadInput("scan/bad-options", "report format %q is none of %q", format, Formats())
	}
	if format == FormatTable {
		return r.table(w)
	}
	return r.document(ctx, w, format)
}

// Combine joins the results for the images of one index, scanned one by one with the
// same options, for example each while it was pushed.
func Combine(index record.Image, platforms ...Result) Result {
	all := Result{Report: record.ScanReport{Image: index}, Platforms: platforms}
	for i, p := range platforms {
		all.Report.Packages += p.Report.Packages
		all.Report.NotCompared = append(all.Report.NotCompared, p.Report.NotCompared...)
		for _, file := range p.Report.NotRead {
			all.Report.NotRead = append(all.Report.NotRead, p.Platform+": "+file)
		}
		if i == 0 || p.Report.DatabaseUpdated.Before(all.Report.DatabaseUpdated) {
			all.Report.DatabaseUpdated = p.Report.DatabaseUpdated
		}
		for _, f := range p.Report.Findings {
			all.Report.Findings = append(all.Report.Findings, on(p.Platform, f))
		}
		for _, f := range p.Report.Blocking {
			all.Report.Blocking = append(all.Report.Blocking, on(p.Platform, f))
		}
		for _, s := range p.Suppressed {
			s.Finding = on(p.Platform, s.Finding)
			all.Suppressed = append(all.Suppressed, s)
		}
		for _, entry := range p.Expired {
			if !has(all.Expired, entry) {
				all.Expired = append(all.Expired, entry)
			}
		}
	}
	if len(platforms) > 0 {
		// What one platform has is not superfluous for the index.
		all.Unmatched = slices.DeleteFunc(slices.Clone(platforms[0].Unmatched), func(entry Ignore) bool {
			return slices.ContainsFunc(platforms[1:], func(p Result) bool { return !has(p.Unmatched, entry) })
		})
		all.Report.VEXUnmatched = slices.DeleteFunc(slices.Clone(platforms[0].Report.VEXUnmatched), func(text string) bool {
			return slices.ContainsFunc(platforms[1:], func(p Result) bool { return !slices.Contains(p.Report.VEXUnmatched, text) })
		})
	}
	all.complete()
	return all
}

func on(platform string, f record.Finding) record.Finding {
	f.Target = platform + ": " + f.Target
	return f
}

func has(entries []Ignore, entry Ignore) bool {
	return slices.ContainsFunc(entries, func(e Ignore) bool { return reflect.DeepEqual(e, entry) })
}

// complete sorts and counts, and makes lists of what is nil.
func (r *Result) complete() {
	r.Report.Findings = sorted(r.Report.Findings)
	r.Report.Blocking = sorted(r.Report.Blocking)
	r.Report.Counts = map[record.Severity]int{}
	for _, f := range r.Report.Findings {
		r.Report.Counts[f.Severity]++
	}
	slices.SortFunc(r.Suppressed, func(a, b Suppressed) int { return order(a.Finding, b.Finding) })
	r.Suppressed = append([]Suppressed{}, slices.Compact(r.Suppressed)...)
	r.Expired = append([]Ignore{}, r.Expired...)
	r.Unmatched = append([]Ignore{}, r.Unmatched...)
	for _, s := range r.Suppressed[:min(rows, len(r.Suppressed))] {
		r.Report.Suppressed = append(r.Report.Suppressed, fmt.Sprintf("%s in %s: %s: %s (%s)", s.Finding.ID, cmp.Or(s.Finding.Package, s.Finding.Target), s.Status, s.Reason, s.Source))
	}
	for _, entry := range r.Expired {
		r.Report.Expired = append(r.Report.Expired, entry.String())
	}
	for _, entry := range r.Unmatched {
		r.Report.Unmatched = append(r.Report.Unmatched, entry.String())
	}
}

// String gives the entry for people.
func (i Ignore) String() string {
	if i.Expires.IsZero() {
		return i.ID + ": " + i.Reason
	}
	return fmt.Sprintf("%s until %s: %s", i.ID, i.Expires.Format(time.DateOnly), i.Reason)
}
