package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
	"golang.org/x/text/width"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// screen is where the log goes. On a terminal a table of the pods stands below
// the last line and is drawn anew as they change.
type screen struct {
	mu    sync.Mutex
	out   io.Writer
	width int                 // columns of the terminal when it began, 0 for no terminal
	size  func() int          // what they are now; nil for always the same
	hide  func(string) string // takes secret values out of a text
	table string
	lines int
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out, hide: func(text string) string { return text }}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		s.size = func() int { columns, _, _ := term.GetSize(int(file.Fd())); return columns }
		s.width = s.size()
	}
	return s
}

// measure is the width of the terminal as it is now: it may have been made narrower.
func (s *screen) measure() int {
	if s.size != nil {
		if now := s.size(); now > 0 {
			return now
		}
	}
	return s.width
}

// Write puts lines of the log above the table. It never fails: a log that has no reader any
// more, or no room, changes nothing of what is done.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	_, _ = s.out.Write(p)
	s.draw()
	return len(p), nil
}

// show draws the pods of a rollout; it does nothing without a terminal.
func (s *screen) show(sight record.Progress) {
	if s.width == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.table = podTable(redacted(sight, s.hide), s.measure())
	s.draw()
}

// line draws one line in place of the table; it does nothing without a terminal.
func (s *screen) line(words string) {
	if s.width == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.table = fit(text.Visible(s.hide(words)), s.measure()) + "\n"
	s.draw()
}

// clear removes the table.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.table = ""
}

func (s *screen) erase() {
	if s.lines > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.lines)
		s.lines = 0
	}
}

func (s *screen) draw() {
	if s.table != "" {
		_, _ = io.WriteString(s.out, s.table)
		s.lines = strings.Count(s.table, "\n")
	}
}

// maxRows bounds the table on the terminal.
const maxRows = 20

// redacted takes secrets out before a message is cut to the width of the terminal.
func redacted(sight record.Progress, hide func(string) string) record.Progress {
	sight.Pods = slices.Clone(sight.Pods)
	for i := range sight.Pods {
		sight.Pods[i].Message = hide(sight.Pods[i].Message)
	}
	return sight
}

// ageless leaves out what changes all the time.
func ageless(sight record.Progress) record.Progress {
	sight.Pods = slices.Clone(sight.Pods)
	for i := range sight.Pods {
		sight.Pods[i].Seconds = 0
	}
	return sight
}

func podTable(sight record.Progress, width int) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "POD\tNEW\tREADY\tSTATUS\tRESTARTS\tAGE\t")
	for i, p := range sight.Pods {
		if i == maxRows {
			fmt.Fprintf(w, "and %d more\n", len(sight.Pods)-maxRows)
			break
		}
		fresh := ""
		if p.New {
			fresh = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", text.Visible(p.Name), fresh, text.Visible(p.Ready), text.Visible(p.Status), p.Restarts, time.Duration(p.Seconds)*time.Second, text.Visible(p.Message))
	}
	_ = w.Flush()
	lines := strings.SplitAfter(b.String(), "\n")
	for i, line := range lines {
		if whole := strings.TrimSuffix(line, "\n"); whole != line {
			lines[i] = fit(whole, width) + "\n"
		}
	}
	return strings.Join(lines, "")
}

// fit is what of a line is shown in so many columns, less one: a line that wraps would be
// erased in part only. Most characters of East Asia and all emoji take two.
func fit(line string, columns int) string {
	taken := 0
	for i, r := range line {
		taken++
		if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
			taken++
		}
		if taken >= columns {
			return line[:i]
		}
	}
	return line
}
