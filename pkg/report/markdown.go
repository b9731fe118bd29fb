package report

import (
	"html"
	"regexp"
	"strings"
	"unicode"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxText bounds one piece of foreign text in Markdown, in bytes.
const maxText = 500

// escape makes foreign text plain in Markdown: on one line, without markup, HTML, table
// borders, links, mentions, emoji or formulas. What a person copies of it is the text.
func escape(words string) string {
	written := foreign(words, func(r rune) string {
		if strings.ContainsRune("\\`*_[]|~!", r) {
			return `\` + string(r)
		}
		return string(r)
	})
	return listMark.ReplaceAllString(written, `$1\$2$3`)
}

// listMark makes a list, a line or a heading of a text at the begin of a line.
var listMark = regexp.MustCompile(`^(\d*)([-+=.)])([-+=]*(?:\s|$))`)

// escapeHTML is escape for where HTML stands in Markdown: there a backslash is one.
func escapeHTML(words string) string {
	return foreign(words, func(r rune) string { return string(r) })
}

// special is what GitHub makes more of than text after it has read the Markdown, so that no
// backslash keeps it from that (github/markup#1168): links, addresses, commits, :emoji: (a
// line number such as :100: is one, sourcery-ai/sourcery-analytics#73), GH-1, and everywhere
// # and $, which stand for issues and formulas.
var special = regexp.MustCompile(`(?i):(?://|[a-z0-9_+-]+:)|www\.|@[a-z0-9_-]+\.|@[0-9a-f]{7}|\bGH-\d|[#$]`)

// foreign writes a text with each character by itself, all others by plain.
func foreign(words string, plain func(rune) string) string {
	words = text.Cut(oneLine(words), maxText)
	apart := map[int]bool{}
	for at := 0; at < len(words); {
		found := special.FindStringIndex(words[at:])
		if found == nil {
			break
		}
		apart[at+found[0]+strings.IndexAny(words[at+found[0]:at+found[1]], ":.@-#$")] = true
		at += found[0] + 1
	}
	var b strings.Builder
	before := ' '
	for i, r := range words {
		switch {
		case r == '@' && !unicode.IsLetter(before) && !unicode.IsDigit(before):
			// No user is notified, nor by an answer to the mail that shows it (dependabot/dependabot-core#3157).
			b.WriteString("@\u200b")
		case apart[i]:
			b.WriteString("<span>" + string(r) + "</span>")
		case strings.ContainsRune("<>&", r):
			b.WriteString(html.EscapeString(string(r)))
		default:
			b.WriteString(plain(r))
		}
		before = r
	}
	return b.String()
}

// oneLine is a text with blanks for the ends of its lines, and everything else that cannot
// be seen written out.
func oneLine(words string) string {
	words = strings.TrimSpace(words)
	words = words[:min(len(words), 2*maxText)] // of which the end is cut anyway
	return text.Visible(strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ").Replace(words))
}

// maxCode is above what people copy, in bytes.
const maxCode = 4 << 10

// code is text that people copy: nothing is added to it, and no backtick ends it.
func code(words string) string {
	words = text.Visible(text.Cut(words, maxCode))
	fence := "`"
	for strings.Contains(words, fence) {
		fence += "`"
	}
	if fence != "`" {
		return fence + " " + words + " " + fence
	}
	return fence + words + fence
}

// preformatted is foreign text of several lines, each as it is. HTML and not Markdown's
// fence: nothing in the text can end it.
func preformatted(words string) string {
	var b strings.Builder
	b.WriteString("<pre>")
	for line := range strings.Lines(legible(words)) {
		b.WriteString(unspokenHTML(html.EscapeString(line)))
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
