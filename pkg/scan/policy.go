package scan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// named is how many findings an error names; the table has them all.
const named = 5

// blocks reports whether the policy accepts a finding. FixedOnly is about packages: there
// is always something to do about a secret or a misconfiguration.
func (o Options) blocks(f record.Finding) bool {
	return rank(f.Severity) >= rank(o.threshold()) && (f.FixedVersion != "" || f.Package == "" || !o.FixedOnly)
}

// sorted gives the findings without repetitions, the most severe first.
func sorted(findings []record.Finding) []record.Finding {
	findings = append([]record.Finding{}, findings...)
	slices.SortFunc(findings, order)
	return slices.Compact(findings)
}

func order(a, b record.Finding) int {
	return cmp.Or(
		rank(b.Severity)-rank(a.Severity),
		cmp.Compare(a.Package, b.Package),
		cmp.Compare(a.ID, b.ID),
		cmp.Compare(a.Version, b.Version),
		cmp.Compare(a.Target, b.Target),
		cmp.Compare(a.Title, b.Title),
	)
}

func rank(s record.Severity) int { return slices.Index(record.Severities(), s) }

// Refuse gives nil for a report without blocking findings, else an error of
// [record.KindRefused] with the code scan/vulnerable that names the worst ones.
func Refuse(report record.ScanReport) error {
	if len(report.Blocking) == 0 {
		return nil
	}
	worst := report.Blocking[:min(named, len(report.Blocking))]
	words := make([]string, 0, named+1)
	for _, f := range worst {
		words = append(words, describeFinding(f))
	}
	if more := len(report.Blocking) - len(worst); more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return record.Refused("scan/vulnerable", "image %q has %s that the policy does not accept: %s; update the packages, or change --scan-threshold or --scan-fixed-only",
		report.Image, count(len(report.Blocking), "finding"), strings.Join(words, "; "))
}

func describeFinding(f record.Finding) string {
	if f.Package == "" {
		return fmt.Sprintf("%s in %s (%s, %s)", f.ID, f.Target, f.Severity, f.Title)
	}
	return fmt.Sprintf("%s in %s %s (%s, %s)", f.ID, f.Package, f.Version, f.Severity, remedy(f))
}

func remedy(f record.Finding) string {
	if f.FixedVersion == "" {
		return "no fix yet"
	}
	return "fixed in " + f.FixedVersion
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
