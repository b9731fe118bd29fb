package report

import (
	"fmt"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Comment is what a dry run found, as Markdown of at most limit bytes: the summary, the
// objects that would change, and their differences folded, as many as there is room for.
func Comment(r record.Record, limit int) string {
	return fitting(commentParts(r), limit, fmt.Sprintf("\n_Some of it is left out for its size; the log and the record of the run have all of %d changes._\n", len(r.Changes)))
}

// commentParts are pieces of Markdown that are whole by themselves, the most important
// first.
func commentParts(r record.Record) []string {
	parts := append([]string{"### What a deploy would change\n\n", changeList(r)}, summaryParts(r)...)
	for _, c := range r.Changes {
		if c.Diff != "" {
			parts = append(parts, folded(c.String(), preformatted(c.Diff)))
		}
	}
	return parts
}

func changeList(r record.Record) string {
	all := r.Changes
	switch {
	case len(all) == 0 && r.Verdict == record.VerdictOK:
		return "Nothing.\n\n"
	case len(all) == 0:
		return "That could not be told.\n\n"
	}
	var b strings.Builder
	b.WriteString("| object | action | cannot be undone |\n|---|---|---|\n")
	for _, c := range all[:min(len(all), maxRows)] {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", escape(c.Object), escape(string(c.Action)), escape(c.OneWay))
	}
	more(&b, len(all))
	return b.String()
}
