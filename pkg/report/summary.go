package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// maxRows bounds each table.
	maxRows = 50
	// maxSummary is below what GitHub shows of a step, in bytes: of more than 1 MiB it
	// shows nothing at all (prefix-dev/rattler-build#2738, maester365/maester#905).
	maxSummary = 1_000_000
)

// Summary is the record as Markdown. Its first line says what is live. Texts of
// registries, clusters and containers are escaped and cut.
func Summary(r record.Record) string {
	return fitting(summaryParts(r), maxSummary, "\n_Some of it is left out for its size; the record of the run has all._\n")
}

// fitting are the parts for which there is room in limit bytes, and at the end what is said
// where some are left out.
func fitting(parts []string, limit int, left string) string {
	var b strings.Builder
	all := true
	for _, part := range parts {
		if b.Len()+len(part)+len(left) > limit {
			all = false
			continue
		}
		b.WriteString(part)
	}
	if !all {
		b.WriteString(left)
	}
	return b.String()
}

// summaryParts are pieces of Markdown that are whole by themselves, the most important
// first.
func summaryParts(r record.Record) []string {
	var parts []string
	for _, write := range []func(*strings.Builder){
		func(b *strings.Builder) { outcome(b, r) },
		func(b *strings.Builder) { gantt(b, r) },
		func(b *strings.Builder) { built(b, r.Built) },
		func(b *strings.Builder) { tags(b, r.Tags) },
		func(b *strings.Builder) { scan(b, r.Scan) },
		func(b *strings.Builder) { concerns(b, r.Concerns) },
		func(b *strings.Builder) { phases(b, r.Phases) },
		func(b *strings.Builder) { checks(b, r.Checks, r.Soak) },
	} {
		var b strings.Builder
		write(&b)
		parts = append(parts, b.String())
	}
	parts = append(parts, diagnosis(r.Diagnosis)...)
	return append(parts, list("repaired", r.Repairs), list("picture", failing(r.Checks)), list("evidence", r.Evidence))
}

// failing are the pictures of checks that have failed.
func failing(checks []record.Check) (paths []string) {
	for _, c := range checks {
		if c.Picture != "" && c.Result == record.CheckFailed {
			paths = append(paths, c.Picture)
		}
	}
	return paths
}

// outcome says how it ended, why, and what to do.
func outcome(b *strings.Builder, r record.Record) {
	fmt.Fprintf(b, "**%s**\n\n", escape(Headline(r)))
	if r.Cause != nil {
		fmt.Fprintf(b, "Cause: %s\n\n", escape(r.Cause.String()))
	}
	if r.Error != "" {
		problems(b, r.Error)
	}
	if r.Image != (record.Image{}) {
		fmt.Fprintf(b, "Image: %s\n\n", code(r.Image.String()))
	}
	if r.Reason != "" {
		fmt.Fprintf(b, "Reason: %s\n\n", escape(r.Reason))
	}
	// The headline of what a person must look at ends with it.
	if r.Advice != "" && r.Verdict != record.VerdictNeedsHuman {
		fmt.Fprintf(b, "What to do: %s\n\n", escape(r.Advice))
	}
	if r.Migrations != nil {
		fmt.Fprintf(b, "Rollback: %s\n\n", escape(string(r.Migrations.Rollback)+": "+r.Migrations.Why))
	}
	if r.Undo != nil {
		fmt.Fprintf(b, "Databases before the rollback (%s): %s\n\n", escape(string(r.Undo.Policy)), escape(undone(*r.Undo)))
	}
	for _, c := range Again(r) {
		fmt.Fprintf(b, "To %s: %s\n\n", c[0], code(c[1]))
	}
	if fullCommit.MatchString(r.Run.Commit) {
		fmt.Fprintf(b, "Commit: %s\n\n", r.Run.Commit)
	}
}

// fullCommit is what GitHub makes a link of.
var fullCommit = regexp.MustCompile(`^[0-9a-f]{40}$`)

// list are texts of one kind, "" without any.
func list(what string, all []string) string {
	var b strings.Builder
	items(&b, what, all)
	endList(&b)
	return b.String()
}

// items are entries of a list, each with what it is.
func items(b *strings.Builder, what string, all []string) {
	for _, one := range all[:min(len(all), maxRows)] {
		fmt.Fprintf(b, "- %s: %s\n", what, escape(one))
	}
	moreItems(b, len(all))
}

// moreItems is the last entry of a list that is cut.
func moreItems(b *strings.Builder, entries int) {
	if entries > maxRows {
		fmt.Fprintf(b, "- _and %d more_\n", entries-maxRows)
	}
}

// endList keeps what follows a list from being read as a part of it.
func endList(b *strings.Builder) {
	if b.Len() > 0 {
		b.WriteString("\n")
	}
}

// aProblem is one of several errors: up to the line that ends with a code.
var aProblem = regexp.MustCompile(`(?s).+?(?:\[[a-z]+/[a-z0-9-]+\](?:\n|$)|$)`)

// problems are the errors of a run, several as a list.
func problems(b *strings.Builder, all string) {
	each := aProblem.FindAllString(all, -1)
	if len(each) == 1 {
		fmt.Fprintf(b, "Error: %s\n\n", escape(all))
		return
	}
	b.WriteString("Errors:\n\n")
	for _, one := range each[:min(len(each), maxRows)] {
		fmt.Fprintf(b, "- %s\n", escape(one))
	}
	moreItems(b, len(each))
	endList(b)
}

func concerns(b *strings.Builder, all []record.Concern) {
	for _, c := range all[:min(len(all), maxRows)] {
		stage, _, _ := strings.Cut(c.Code, "/")
		fmt.Fprintf(b, "- %s\n", escape(stage+": "+c.String()))
	}
	moreItems(b, len(all))
	endList(b)
}

func built(b *strings.Builder, made *record.Built) {
	if made == nil {
		return
	}
	fmt.Fprintf(b, "Built by %s (%s); %s sent, %d requests tried again.\n\n", escape(string(made.Builder)), escape(made.Reason), megabytes(made.Sent), made.Retries)
	b.WriteString("| layer | platform | size | origin |\n|---|---|---|---|\n")
	for _, l := range made.Layers[:min(len(made.Layers), maxRows)] {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", escape(l.Name), escape(l.Platform), megabytes(l.Size), escape(l.Origin))
	}
	more(b, len(made.Layers))
	b.WriteString(list("build", made.Warnings))
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

func tags(b *strings.Builder, all []record.MovedTag) {
	for _, t := range all[:min(len(all), maxRows)] {
		switch {
		case t.Moved:
			fmt.Fprintf(b, "- tag %s moved here\n", code(t.Tag))
		case t.Here:
			fmt.Fprintf(b, "- tag %s was here already\n", code(t.Tag))
		default:
			fmt.Fprintf(b, "- tag %s stays where it is: %s\n", code(t.Tag), escape(t.Why))
		}
	}
	moreItems(b, len(all))
	endList(b)
}

func scan(b *strings.Builder, s *record.ScanReport) {
	if s == nil {
		return
	}
	var counts []string
	for _, severity := range slices.Backward(record.Severities()) {
		counts = append(counts, fmt.Sprintf("%d %s", s.Counts[severity], strings.ToLower(string(severity))))
	}
	fmt.Fprintf(b, "Scan: %d packages; %s; %d of them block", s.Packages, strings.Join(counts, ", "), len(s.Blocking))
	if !s.DatabaseUpdated.IsZero() {
		fmt.Fprintf(b, "; database of %s", s.DatabaseUpdated.UTC().Format("2006-01-02 15:04 MST"))
	}
	b.WriteString(".\n\n")
	var notes strings.Builder
	for _, entries := range []struct {
		what  string
		texts []string
	}{{"was not compared", s.NotCompared}, {"could not be read", s.NotRead}, {"VEX statement fits nothing", s.VEXUnmatched}, {"does not count", s.Suppressed}, {"ignore entry has expired", s.Expired}, {"ignore entry fits nothing", s.Unmatched}} {
		items(&notes, entries.what, entries.texts)
	}
	endList(&notes)
	b.WriteString(notes.String())
	if len(s.Blocking) == 0 {
		return
	}
	b.WriteString("| vulnerability | severity | package | version | fixed in |\n|---|---|---|---|---|\n")
	for _, f := range s.Blocking[:min(len(s.Blocking), maxRows)] {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", escape(f.ID), escape(string(f.Severity)), escape(f.Package), escape(f.Version), escape(f.FixedVersion))
	}
	more(b, len(s.Blocking))
}

func phases(b *strings.Builder, all []record.Phase) {
	if len(all) == 0 {
		return
	}
	sends := slices.ContainsFunc(all, func(p record.Phase) bool { return p.Bytes > 0 })
	b.WriteString("| phase | result | seconds |" + column(sends, "sent") + "\n|---|---|---|" + column(sends, "---") + "\n")
	for _, p := range all[:min(len(all), maxRows)] {
		sent := ""
		if p.Bytes > 0 {
			sent = megabytes(p.Bytes)
		}
		fmt.Fprintf(b, "| %s | %s | %.1f |%s\n", escape(p.Name), escape(string(p.Result)), p.End.Sub(p.Start).Seconds(), column(sends, sent))
	}
	more(b, len(all))
}

// column is one more column of a table, where it has it.
func column(has bool, words string) string {
	if !has {
		return ""
	}
	return " " + words + " |"
}

// checks shows the failed ones first, and for how long the pods were watched.
func checks(b *strings.Builder, all []record.Check, soak float64) {
	checkTable(b, all)
	if soak > 0 {
		fmt.Fprintf(b, "Watched for %.0f s after the last new pod was ready.\n\n", soak)
	}
}

func checkTable(b *strings.Builder, all []record.Check) {
	if len(all) == 0 {
		return
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, c record.Check) int { return rank(a.Result) - rank(c.Result) })
	b.WriteString("| check | target | result | seconds | detail |\n|---|---|---|---|---|\n")
	for _, c := range sorted[:min(len(sorted), maxRows)] {
		fmt.Fprintf(b, "| %s | %s | %s | %.2f | %s |\n", escape(c.Name), escape(c.Target), escape(string(c.Result)), c.Seconds, escape(c.Detail))
	}
	more(b, len(sorted))
}

func rank(result record.CheckResult) int {
	return slices.Index([]record.CheckResult{record.CheckFailed, record.CheckInconclusive, record.CheckPassed}, result)
}

func more(b *strings.Builder, rows int) {
	if rows > maxRows {
		fmt.Fprintf(b, "\n_and %d more_\n", rows-maxRows)
	}
	b.WriteString("\n")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
