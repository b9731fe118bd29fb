//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan/oci"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// inventory is what was found in one image, in Trivy's words, after VEX and ignores.
type inventory struct {
	report types.Report
	at     time.Time
}

// The longest texts of findings.
const short, long = 120, 240

// result turns Trivy's report into ours. An image in which nothing was recognised
// was not scanned: it may be hidden from the analyzers, or simply the wrong one.
func (s session) result(img *scanned, report types.Report, updated time.Time) (Result, error) {
	packages := 0
	for _, r := range report.Results {
		for _, p := range r.Packages {
			if !withoutVersion(r, p) {
				packages++
			}
		}
	}
	files := notRead(img, report)
	if err := s.complete(img, files); err != nil {
		return Result{}, err
	}
	if packages == 0 {
		return Result{}, record.Unavailable("scan/nothing-to-scan", "scanning image %q: no package was recognised in it, so nothing could be compared; check that it is the right image and that its package lists (such as /var/lib/dpkg or package.json files) are in it", img.Name())
	}
	if s.options.Misconfigurations && !slices.ContainsFunc(report.Results, func(r types.Result) bool { return r.Class == types.ClassConfig }) {
		return Result{}, record.Unavailable("scan/engine-failed", "scanning image %q: its configuration could not be checked for misconfigurations", img.Name())
	}
	image, err := record.ParseImage(img.Name())
	if err != nil {
		return Result{}, oci.Unusable(img.Name(), err)
	}
	tidy(&report)
	unmatched := s.ignores.apply(report.Results)
	all := Result{
		Report:    record.ScanReport{Image: image, Packages: packages, DatabaseUpdated: updated, NotCompared: slices.Concat(img.uncovered, img.missed), NotRead: files, VEXUnmatched: img.unfitting},
		Platform:  img.Platform,
		Expired:   s.ignores.expired,
		Unmatched: unmatched,
		inventory: inventory{report: report, at: s.started},
	}
	for _, r := range report.Results {
		for _, f := range found(report, r) {
			all.Report.Findings = append(all.Report.Findings, f)
			if s.options.blocks(f) {
				all.Report.Blocking = append(all.Report.Blocking, f)
			}
		}
		for _, m := range r.ModifiedFindings {
			if f, ok := convert(report, r, m.Finding); ok {
				all.Suppressed = append(all.Suppressed, Suppressed{Finding: f, Status: string(m.Status), Reason: text.Line(m.Statement, long), Source: text.Line(m.Source, long)})
			}
		}
	}
	all.complete()
	s.tellUnrated(all.Report)
	return all, nil
}

// tellUnrated warns of findings that pass because no advisory says yet how severe they are
// (artifact-keeper/artifact-keeper#3296, SonarSource/docker-sonarqube#926): that is no
// rating below the threshold.
func (s session) tellUnrated(report record.ScanReport) {
	var names []string
	for _, f := range report.Findings {
		if f.Severity == record.SeverityUnknown && !slices.Contains(report.Blocking, f) {
			names = append(names, f.ID+" in "+cmp.Or(f.Package, f.Target))
		}
	}
	if len(names) > 0 {
		s.log.Warn("findings that nobody has rated yet do not block; look at them, or block all with --scan-threshold UNKNOWN", "image", report.Image, "findings", len(names), "first", some(names))
	}
}

// tidy sorts and leaves out what no report should have: repetitions, checks that the
// image passed, and what could hold a secret, because reports are published: the
// environment of the image, the commands that built it, and the lines around a finding.
func tidy(report *types.Report) {
	config := report.Metadata.ImageConfig
	report.Metadata.ImageConfig = v1.ConfigFile{
		Architecture: config.Architecture, Variant: config.Variant, OS: config.OS, OSVersion: config.OSVersion,
		Created: config.Created, RootFS: config.RootFS,
		Config: v1.Config{Labels: config.Config.Labels, User: config.Config.User},
	}
	for i := range report.Results {
		r := &report.Results[i]
		if r.Target == report.ArtifactName {
			r.Target = "image configuration"
		}
		if r.Class == types.ClassSecret {
			r.Target = strings.TrimPrefix(r.Target, "/")
		}
		for n := range r.Vulnerabilities {
			v := &r.Vulnerabilities[n]
			v.Severity = string(severity(v.Severity)) //nolint:staticcheck // as below
		}
		sort.Stable(types.BySeverity(r.Vulnerabilities))
		r.Vulnerabilities = slices.CompactFunc(r.Vulnerabilities, func(a, b types.DetectedVulnerability) bool {
			return a.VulnerabilityID == b.VulnerabilityID && a.PkgID == b.PkgID && a.PkgName == b.PkgName &&
				a.InstalledVersion == b.InstalledVersion && a.FixedVersion == b.FixedVersion && a.PkgPath == b.PkgPath
		})
		r.Misconfigurations = slices.DeleteFunc(r.Misconfigurations, func(m types.DetectedMisconfiguration) bool {
			return m.Status != types.MisconfStatusFailure
		})
		for n := range r.Misconfigurations {
			r.Misconfigurations[n].CauseMetadata.Code = fanal.Code{}
		}
		for n := range r.Secrets {
			r.Secrets[n].Code, r.Secrets[n].Match = fanal.Code{}, ""
		}
	}
}

func found(report types.Report, r types.Result) []record.Finding {
	var all []record.Finding
	add := func(f types.Finding) {
		if f, ok := convert(report, r, f); ok {
			all = append(all, f)
		}
	}
	for _, v := range r.Vulnerabilities {
		add(v)
	}
	for _, secret := range r.Secrets {
		add(secret)
	}
	for _, m := range r.Misconfigurations {
		add(m)
	}
	return all
}

func convert(report types.Report, r types.Result, finding types.Finding) (record.Finding, bool) {
	switch f := finding.(type) {
	case types.DetectedVulnerability:
		return vulnerable(report, r, f), true
	case types.DetectedSecret:
		return located(r, f.RuleID, f.Severity, f.StartLine, f.Title), true
	case types.DetectedMisconfiguration:
		return located(r, f.ID, f.Severity, f.CauseMetadata.StartLine, f.Title+": "+f.Message), true
	default:
		return record.Finding{}, false
	}
}

func vulnerable(report types.Report, r types.Result, v types.DetectedVulnerability) record.Finding {
	where := r.Target
	switch {
	case r.Class == types.ClassOSPkg && report.Metadata.OS != nil:
		where = string(report.Metadata.OS.Family) + " " + report.Metadata.OS.Name
	case v.PkgPath != "":
		where = v.PkgPath
	}
	purl := ""
	if v.PkgIdentifier.PURL != nil {
		purl = v.PkgIdentifier.PURL.String()
	}
	return record.Finding{
		ID:           text.Line(v.VulnerabilityID, short),
		Severity:     severity(v.Severity), //nolint:staticcheck // Trivy's own choice among the vendors, as its table shows it
		Package:      text.Line(v.PkgName, short),
		PURL:         text.Line(purl, long),
		Version:      text.Line(v.InstalledVersion, short),
		FixedVersion: text.Line(v.FixedVersion, short),
		Target:       text.Line(where, long),
		Title:        text.Line(v.Title, long),
	}
}

// located is a finding in a file or in the image's configuration.
func located(r types.Result, id, level string, line int, title string) record.Finding {
	where := r.Target
	if line > 0 {
		where = fmt.Sprintf("%s:%d", r.Target, line)
	}
	return record.Finding{ID: text.Line(id, short), Severity: severity(level), Target: text.Line(where, long), Title: text.Line(title, long)}
}

func severity(name string) record.Severity {
	if s := record.Severity(name); rank(s) >= 0 {
		return s
	}
	return record.SeverityUnknown
}

// system is the operating system of a report's image; the zero value when unknown.
func system(report types.Report) fanal.OS {
	if report.Metadata.OS == nil {
		return fanal.OS{}
	}
	return *report.Metadata.OS
}
