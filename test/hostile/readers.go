package hostile

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	markdownhtml "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"
)

// Seen is a document as its reader has it.
type Seen struct {
	Elements map[string]int // and "@name" for attributes
	Grown    []string       // links and others that were made of plain text, in the order of the document
	Text     string
}

// HTML reads a document as a browser does.
func HTML(document string) Seen { return look(document, func(string) []string { return nil }) }

// Markdown reads a text as GitHub shows it: GFM, and then what is made of plain text.
func Markdown(text string) Seen {
	return look(Rendered(text), grown)
}

// Rendered is the HTML of a text in GFM. HTML in it stays: GitHub takes out what is
// dangerous, and a test wants to see it.
func Rendered(text string) string {
	var document bytes.Buffer
	gfm := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote), goldmark.WithParserOptions(parser.WithAttribute()), goldmark.WithRendererOptions(markdownhtml.WithUnsafe()))
	if err := gfm.Convert([]byte(text), &document); err != nil {
		panic(err)
	}
	return document.String()
}

func look(document string, more func(string) []string) Seen {
	root, err := html.Parse(strings.NewReader(document))
	if err != nil {
		panic(err)
	}
	seen := Seen{Elements: map[string]int{}}
	var words strings.Builder
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			if n.Data != "span" { // which is nothing by itself
				seen.Elements[n.Data]++
			}
			for _, a := range n.Attr {
				seen.Elements["@"+a.Key]++
			}
		case html.TextNode:
			words.WriteString(n.Data)
			if !isQuiet(n) {
				seen.Grown = append(seen.Grown, more(n.Data)...)
			}
		case html.ErrorNode, html.DocumentNode, html.CommentNode, html.DoctypeNode, html.RawNode:
		}
	}
	seen.Text = words.String()
	return seen
}

// isQuiet reports whether GitHub makes nothing of a text: code, and what is a link already.
func isQuiet(n *html.Node) bool {
	for p := range n.Ancestors() {
		if slices.Contains([]string{"pre", "code", "tt", "a", "style", "script"}, p.Data) {
			return true
		}
	}
	return false
}

// fromText is what GitHub makes of text after Markdown: mentions, issues, commits, emoji
// and formulas (github/markup#1168: no backslash helps).
var fromText = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(?:^|[^\w` + "`" + `])@[a-z0-9][a-z0-9-]*(?:/[a-z0-9._-]+)?`),
	regexp.MustCompile(`(?i)(?:^|\W|[\w./-]+)#\d+\b`),
	regexp.MustCompile(`(?i)\bgh-\d+\b`),
	regexp.MustCompile(`(?i)[\w-]+/[\w.-]+@[0-9a-f]{7,40}\b`),
	regexp.MustCompile(`(?i):[a-z0-9_+-]+:`),
	regexp.MustCompile(`\$[^$]+\$`),
	regexp.MustCompile(`(?i)(?:https?|ftp)://\w|\bwww\.\w`),
}

func grown(words string) (all []string) {
	for _, pattern := range fromText {
		all = append(all, pattern.FindAllString(words, -1)...)
	}
	return all
}

// Missing is the first piece of a text that a person does not find in what is shown, in its
// order, "" for none: pieces are what stands between blanks and what cannot be seen, as far
// as limit bytes.
func Missing(text, shown string, limit int) string {
	text = text[:min(len(text), limit)]
	shown = strings.ReplaceAll(shown, "\u200b", "")
	for _, piece := range strings.FieldsFunc(text, isGap) {
		at := strings.Index(shown, piece)
		if at < 0 {
			return piece
		}
		shown = shown[at+len(piece):]
	}
	return ""
}

func isGap(r rune) bool {
	return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == utf8.RuneError
}

// Command is the command that the runner finds in a text, "" for none: as
// ActionCommand.TryParseV2 and TryParse of actions/runner do, line by line.
func Command(text string) string {
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if info, ok := strings.CutPrefix(strings.TrimSpace(line), "::"); ok {
			if info, _, ok = strings.Cut(info, "::"); ok && isRunners(info) {
				return line
			}
		}
		if _, info, ok := strings.Cut(line, "##["); ok {
			if info, _, ok = strings.Cut(info, "]"); ok && isRunners(info) {
				return line
			}
		}
	}
	return ""
}

func isRunners(info string) bool {
	name, _, _ := strings.Cut(info, " ")
	return slices.Contains(Runner, strings.ToLower(strings.TrimSuffix(name, ";")))
}

// Steers is the first character of a text that a terminal obeys or that nobody sees, 0 for
// none. Ends of lines and tabs are neither.
func Steers(text string) rune {
	for i, r := range text {
		if r == '\n' || r == '\t' {
			continue
		}
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			return r
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200b' || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return r
		}
	}
	return 0
}
