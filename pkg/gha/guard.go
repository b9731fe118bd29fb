package gha

import (
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Guarded is a writer for lines of which parts are foreign text.
func (a *Actions) Guarded(w io.Writer) io.Writer {
	if !a.Enabled() {
		return w
	}
	return &guarded{out: w}
}

type guarded struct {
	mu     sync.Mutex
	out    io.Writer
	inLine bool   // what comes next is not the beginning of a line
	last   string // what a command could have begun with
}

// Write breaks whatever the runner would take for a command, also when it comes in
// two parts.
func (g *guarded) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	whole := g.last + string(p)
	text := harmless(whole, g.inLine)[len(g.last):]
	g.last = beginning(whole)
	g.inLine = inLine(whole[:len(whole)-len(g.last)], g.inLine)
	if _, err := io.WriteString(g.out, text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// beginning is what at the end of a text could become a command.
func beginning(text string) string {
	for _, end := range []string{":", "##", "#"} {
		if strings.HasSuffix(text, end) {
			return end
		}
	}
	return ""
}

// Harmless breaks what the runner takes for a command: "::" at the begin of a line
// and "##[" anywhere (actions/runner, ActionCommand.TryParseV2 and TryParse). What
// people copy, such as [::1]:6443 or Foo::Bar, stays whole.
func Harmless(text string) string { return harmless(text, false) }

func harmless(text string, within bool) string {
	var b strings.Builder
	for i, r := range text {
		if r == ':' && !within && strings.HasPrefix(text[i:], "::") || r == '[' && strings.HasSuffix(text[:i], "##") {
			if r == ':' {
				b.WriteString(":\u200b")
			} else {
				b.WriteString("\u200b[")
			}
			within = within || r == '['
			continue
		}
		within = stays(r, within)
		if r == utf8.RuneError {
			_, size := utf8.DecodeRuneInString(text[i:])
			b.WriteString(text[i : i+size])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// inLine reports whether after a text something else than blanks stands on its line.
func inLine(text string, within bool) bool {
	for _, r := range text {
		within = stays(r, within)
	}
	return within
}

// stays is inLine for one more character. The runner drops white space before it looks,
// and may pass over what cannot be seen.
func stays(r rune, within bool) bool {
	switch {
	case r == '\n' || r == '\r':
		return false
	case unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError: // a part of one
		return within
	}
	return true
}
