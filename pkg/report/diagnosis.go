package report

import (
	"fmt"
	"html"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

const (
	// maxLog bounds the end of one log in the summary, in bytes, and maxLogs how many
	// there are: a summary of more than 1 MiB is not shown at all.
	maxLog  = 8 << 10
	maxLogs = 10
)

// diagnosis shows, folded, what was known of a failed revision before its rollback.
func diagnosis(b *strings.Builder, e *record.Evidence) {
	if e == nil {
		return
	}
	for _, l := range e.Logs[:min(len(e.Logs), maxLogs)] {
		fmt.Fprintf(b, "<details><summary>%s</summary>\n\n%s</details>\n\n", escape("log of "+logTitle(l)), preformatted(tail(l.Text, maxLog)))
	}
	if len(e.Logs) > maxLogs {
		fmt.Fprintf(b, "_and %d more logs_\n\n", len(e.Logs)-maxLogs)
	}
	if len(e.Events) == 0 {
		return
	}
	fmt.Fprintf(b, "<details><summary>warning events</summary>\n\n| object | reason | message | count |\n|---|---|---|---|\n")
	for _, v := range e.Events[:min(len(e.Events), maxRows)] {
		fmt.Fprintf(b, "| %s | %s | %s | %d |\n", escape(v.Object), escape(v.Reason), escape(v.Message), v.Count)
	}
	more(b, len(e.Events))
	b.WriteString("</details>\n\n")
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

// preformatted is foreign text of several lines, each as it is. HTML and not Markdown's
// fence: nothing in the text can end it.
func preformatted(words string) string {
	var b strings.Builder
	b.WriteString("<pre>")
	for line := range strings.Lines(legible(words)) {
		line = unspokenHTML(html.EscapeString(strings.TrimRight(line, "\n")))
		// An empty line would end the block of HTML, and Markdown begin again.
		if strings.TrimSpace(line) == "" {
			line = "&#8203;"
		}
		b.WriteString(line + "\n")
	}
	b.WriteString("</pre>\n\n")
	return b.String()
}

// legible is a text of several lines in which everything that cannot be seen is written
// out, but for what ends and indents lines.
func legible(s string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(s, "\t", "    ")) {
		b.WriteString(text.Visible(strings.TrimRight(line, "\r\n")) + "\n")
	}
	return b.String()
}

// unspokenHTML is [Unspoken] for HTML.
func unspokenHTML(document string) string {
	return strings.NewReplacer("::", "&#58;&#58;", "##[", "&#35;&#35;[").Replace(document)
}
