package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

const (
	// maxText bounds one piece of somebody else's text in the summary, in bytes.
	maxText = 500
	// maxRows bounds each table.
	maxRows = 50
)

// Summary is the record as Markdown. Its first line says what is live. Texts of
// registries, clusters and containers are escaped and cut.
func Summary(r record.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n", escape(Headline(r)))
	if r.Cause != nil {
		fmt.Fprintf(&b, "Cause: %s\n\n", escape(r.Cause.String()))
	}
	if r.Error != "" {
		problems(&b, r.Error)
	}
	if r.Image != (record.Image{}) {
		fmt.Fprintf(&b, "Image: `%s`\n\n", r.Image)
	}
	if r.Reason != "" {
		fmt.Fprintf(&b, "Reason: %s\n\n", escape(r.Reason))
	}
	if r.Advice != "" {
		fmt.Fprintf(&b, "What to do: %s\n\n", escape(r.Advice))
	}
	for _, c := range Again(r) {
		fmt.Fprintf(&b, "To %s: %s\n\n", c[0], code(c[1]))
	}
	gantt(&b, r)
	built(&b, r.Built)
	tags(&b, r.Tags)
	scan(&b, r.Scan)
	concerns(&b, r.Concerns)
	phases(&b, r.Phases)
	checks(&b, r.Checks)
	if r.Soak > 0 {
		fmt.Fprintf(&b, "Watched for %.0f s after the last new pod was ready.\n\n", r.Soak)
	}
	diagnosis(&b, r.Diagnosis)
	for _, repair := range r.Repairs {
		fmt.Fprintf(&b, "- repaired: %s\n", escape(repair))
	}
	for _, path := range r.Evidence {
		fmt.Fprintf(&b, "- evidence: %s\n", escape(path))
	}
	return b.String()
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
		fmt.Fprintf(b, "- %s\n", escape(strings.TrimSpace(one)))
	}
	more(b, len(each))
}

// code is text that people copy: nothing is added to it, and no backtick ends it.
func code(words string) string {
	return "`" + strings.ReplaceAll(text.Visible(words), "`", "'") + "`"
}

func concerns(b *strings.Builder, all []record.Concern) {
	for _, c := range all[:min(len(all), maxRows)] {
		stage, _, _ := strings.Cut(c.Code, "/")
		fmt.Fprintf(b, "- %s: %s\n", escape(stage), escape(c.String()))
	}
	endList(b, len(all))
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
	for _, warning := range made.Warnings {
		fmt.Fprintf(b, "- build: %s\n", escape(warning))
	}
	endList(b, len(made.Warnings))
}

// endList keeps what follows a list from being read as a part of it.
func endList(b *strings.Builder, entries int) {
	if entries > 0 {
		b.WriteString("\n")
	}
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

func tags(b *strings.Builder, all []record.MovedTag) {
	for _, t := range all {
		switch {
		case t.Moved:
			fmt.Fprintf(b, "- tag `%s` moved here\n", t.Tag)
		case t.Here:
			fmt.Fprintf(b, "- tag `%s` was here already\n", t.Tag)
		default:
			fmt.Fprintf(b, "- tag `%s` stays where it is: %s\n", t.Tag, escape(t.Why))
		}
	}
	endList(b, len(all))
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
	notes := 0
	for _, entries := range []struct {
		what  string
		texts []string
	}{{"was not compared", s.NotCompared}, {"could not be read", s.NotRead}, {"VEX statement fits nothing", s.VEXUnmatched}, {"does not count", s.Suppressed}, {"ignore entry has expired", s.Expired}, {"ignore entry fits nothing", s.Unmatched}} {
		for _, text := range entries.texts[:min(len(entries.texts), maxRows)] {
			fmt.Fprintf(b, "- %s: %s\n", entries.what, escape(text))
			notes++
		}
	}
	endList(b, notes)
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
	b.WriteString("| phase | result | seconds | sent |\n|---|---|---|---|\n")
	for _, p := range all {
		sent := ""
		if p.Bytes > 0 {
			sent = megabytes(p.Bytes)
		}
		fmt.Fprintf(b, "| %s | %s | %.1f | %s |\n", escape(p.Name), escape(string(p.Result)), p.End.Sub(p.Start).Seconds(), sent)
	}
	b.WriteString("\n")
}

// checks shows the failed ones first.
func checks(b *strings.Builder, all []record.Check) {
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

// escape makes foreign text plain in Markdown: on one line, without markup,
// HTML, table borders, links or mentions.
func escape(words string) string {
	words = strings.ToValidUTF8(words, "?")
	for _, link := range links {
		words = link.ReplaceAllString(words, "${1}\u200b${2}")
	}
	var b strings.Builder
	before := ' '
	for _, r := range text.Cut(words, maxText) {
		mentions := r == '@' && !unicode.IsLetter(before) && !unicode.IsDigit(before)
		before = r
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case r < ' ' || r == 0x7f:
			b.WriteByte('?')
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case mentions: // in a name, as repository@sha256:…, people copy it
			// Not followed by a name, so that nobody is called.
			b.WriteString("@\u200b")
		case strings.ContainsRune("\\`*_[]|#~!", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// links are what GitHub makes a link of although nobody marked it as one.
var links = []*regexp.Regexp{regexp.MustCompile(`(:)(//)`), regexp.MustCompile(`(?i)(www)(\.)`), regexp.MustCompile(`(?i)((?:mailto|xmpp|javascript|data))(:)`)}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
