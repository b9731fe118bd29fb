package scan

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// rows is how many findings a table shows; the record has them all.
const rows = 100

// Table writes a report as plain text for people: one line of summary, then one
// line per finding, the most severe first.
func Table(w io.Writer, report record.ScanReport) error {
	if _, err := fmt.Fprintln(w, summary(report)); err != nil || len(report.Findings) == 0 {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "SEVERITY\tID\tPACKAGE\tVERSION\tFIXED IN\tBLOCKS\tWHERE")
	shown := report.Findings[:min(rows, len(report.Findings))]
	for _, f := range shown {
		blocks := ""
		if slices.Contains(report.Blocking, f) {
			blocks = "yes"
		}
		// The tab writer keeps the first error for Flush.
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Severity, f.ID, f.Package, f.Version, f.FixedVersion, blocks, f.Target)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more := len(report.Findings) - len(shown); more > 0 {
		_, err := fmt.Fprintf(w, "and %d more\n", more)
		return err
	}
	return nil
}

// table writes the report, and what the policy made of the findings.
func (r Result) table(w io.Writer) error {
	if err := Table(w, r.Report); err != nil {
		return err
	}
	var lines strings.Builder
	for _, s := range r.Suppressed[:min(rows, len(r.Suppressed))] {
		fmt.Fprintf(&lines, "%s: %s (%s: %s)\n", s.Status, describeFinding(s.Finding), s.Source, s.Reason)
	}
	if more := len(r.Suppressed) - rows; more > 0 {
		fmt.Fprintf(&lines, "and %d more that do not count\n", more)
	}
	for _, entry := range r.Expired {
		fmt.Fprintf(&lines, "expired ignore entry: %s since %s: %s\n", entry.ID, entry.Expires.Format(time.DateOnly), entry.Reason)
	}
	for _, entry := range r.Unmatched {
		fmt.Fprintf(&lines, "ignore entry without a finding, remove it: %s\n", entry)
	}
	for _, text := range r.Report.VEXUnmatched {
		fmt.Fprintf(&lines, "VEX statement without a finding: %s\n", text)
	}
	_, err := io.WriteString(w, lines.String())
	return err
}

func summary(report record.ScanReport) string {
	var parts []string
	for _, severity := range slices.Backward(record.Severities()) {
		if n := report.Counts[severity]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, severity))
		}
	}
	text := fmt.Sprintf("Scanned %s: %s, %s", report.Image, count(report.Packages, "package"), count(len(report.Findings), "finding"))
	if n := len(report.NotCompared); n > 0 {
		text += fmt.Sprintf(" (%s not made)", count(n, "comparison"))
	}
	if n := len(report.NotRead); n > 0 {
		text += fmt.Sprintf(" (%s not read)", count(n, "file"))
	}
	if len(parts) > 0 {
		text += fmt.Sprintf(" (%s), %d blocking", strings.Join(parts, ", "), len(report.Blocking))
	}
	return text + "; database of " + report.DatabaseUpdated.UTC().Format("2006-01-02 15:04 MST")
}
