package report

import (
	"fmt"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// maxLog bounds the end of one log in the summary, in bytes, and maxLogs how many
	// there are: a summary of more than 1 MiB is not shown at all.
	maxLog  = 8 << 10
	maxLogs = 10
)

// diagnosis are parts of Markdown that show, folded, what was known of a failed revision
// before its rollback.
func diagnosis(e *record.Evidence) (parts []string) {
	if e == nil {
		return nil
	}
	for _, l := range e.Logs[:min(len(e.Logs), maxLogs)] {
		parts = append(parts, folded("log of "+logTitle(l), preformatted(tail(l.Text, maxLog))))
	}
	if len(e.Logs) > maxLogs {
		parts = append(parts, fmt.Sprintf("_and %d more logs_\n\n", len(e.Logs)-maxLogs))
	}
	if len(e.Events) == 0 {
		return parts
	}
	var b strings.Builder
	b.WriteString("| object | reason | message | count |\n|---|---|---|---|\n")
	for _, v := range e.Events[:min(len(e.Events), maxRows)] {
		fmt.Fprintf(&b, "| %s | %s | %s | %d |\n", escape(v.Object), escape(v.Reason), escape(v.Message), v.Count)
	}
	more(&b, len(e.Events))
	return append(parts, folded("warning events", b.String()))
}

// folded is Markdown that shows when its title is clicked.
func folded(title, markdown string) string {
	return fmt.Sprintf("<details><summary>%s</summary>\n\n%s</details>\n\n", escapeHTML(title), markdown)
}

// logTitle says whose log it is: "Pod/x container web (the run before, exit code 1 after 3s)".
func logTitle(l record.Log) string {
	name := fmt.Sprintf("Pod/%s container %s", l.Pod, l.Container)
	switch {
	case l.Previous && l.Ended != "":
		return fmt.Sprintf("%s (the run before, %s)", name, l.Ended)
	case l.Previous:
		return name + " (the run before)"
	case l.Ended != "":
		return fmt.Sprintf("%s (%s)", name, l.Ended)
	}
	return name
}

// tail is the end of a text, from the beginning of a line, in whole characters.
func tail(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	s = s[len(s)-limit:]
	if _, rest, found := strings.Cut(s, "\n"); found && rest != "" {
		s = rest
	}
	return "…\n" + strings.ToValidUTF8(s, "")
}
