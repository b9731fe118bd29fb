package program

import (
	"bytes"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// tail shows lines to the log and keeps the last ones, and before them the first ones that
// tell of an error: npm prints a page about its options behind its reason. The text is
// foreign.
type tail struct {
	log     *slog.Logger
	part    []byte
	reasons []string // that are among the last ones no more
	lines   []string
	advice  string // for the first line whose cause is known
}

// reason is how npm, Yarn 1, Yarn 4, tsc and backstage-cli begin a line about what is wrong.
var reason = regexp.MustCompile(`(?i)^\W*((npm|usage|internal) )?(err!|error\b).*\w|\bYN\d{4}: .*(error|err!|✘|forbidden|failed)|: error TS\d`)

// isReason reports whether a line is one, and not Yarn's word that something is built
// because "the last one failed".
func isReason(line string) bool { return reason.MatchString(line) && !strings.Contains(line, "YN0007") }

// colours are what terminals are told in between.
var colours = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

const (
	maxReasons = 8
	tailLines  = 30
	maxLine    = 500      // bytes of a line that are shown
	maxPart    = 64 << 10 // bytes of a line that are read
)

func (t *tail) Write(p []byte) (int, error) {
	t.part = append(t.part, p...)
	for {
		i := bytes.IndexByte(t.part, '\n')
		if i < 0 && len(t.part) < maxPart {
			return len(p), nil
		}
		if i < 0 {
			i = len(t.part) - 1
		}
		t.line(string(t.part[:i]))
		t.part = t.part[i+1:]
	}
}

func (t *tail) line(s string) {
	s = text.Line(colours.ReplaceAllString(s, ""), maxLine)
	t.log.Debug("output", "line", s)
	t.advise(s)
	if t.lines = append(t.lines, s); len(t.lines) <= tailLines {
		return
	}
	if gone := t.lines[0]; len(t.reasons) < maxReasons && isReason(gone) {
		t.reasons = append(t.reasons, gone)
	}
	t.lines = t.lines[1:]
}

// advise keeps what helps with the first line whose cause is known.
func (t *tail) advise(line string) {
	if t.advice == "" {
		t.advice = adviceFor(line)
	}
}

// String gives the first reasons and the last lines.
func (t *tail) String() string {
	last := append(slices.Clone(t.lines), text.Line(colours.ReplaceAllString(string(t.part), ""), maxLine))
	if len(t.reasons) > 0 {
		last = slices.Concat(t.reasons, []string{"…"}, last)
	}
	if t.advice != "" {
		last = append(last, t.advice)
	}
	return strings.Join(last, "\n")
}
