package rollout

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"
)

// take keeps a line, and tells the judge when it is the first that a pattern matches. One that
// a restart may heal gives way to one that it does not.
func (l *logs) take(r *run, text string) {
	found, matches := l.match(text)
	l.mu.Lock()
	news := matches && (r.found.text == "" || r.found.transient && !found.transient)
	if news {
		r.found = found
	}
	if len(text) > maxLine*4 {
		text = shorten(text)
	}
	r.tail, r.bytes = append(r.tail, text), r.bytes+len(text)
	for len(r.tail) > tailLines || r.bytes > tailBytes && len(r.tail) > 1 {
		r.bytes -= len(r.tail[0])
		r.tail = r.tail[1:]
	}
	l.mu.Unlock()
	if news {
		l.changed()
	}
}

func (l *logs) match(text string) (line, bool) {
	match := func(p *regexp.Regexp) bool { return p.MatchString(text) }
	if !slices.ContainsFunc(l.patterns, match) && !wrongArchitecture.MatchString(text) {
		return line{}, false
	}
	return line{text: shorten(plain(text)), transient: slices.ContainsFunc(l.passing, match)}, true
}

// wrongArchitecture is the whole of what a container says whose program is for another
// architecture; a longer text would be an application that talks about it.
var wrongArchitecture = regexp.MustCompile(`^exec [^ ]+: ` + execFormat + `$`)

// tailOf are the last lines of a run, or of the one before while it has said nothing.
// It waits a moment for a run that has ended and is still being read.
func (l *logs) tailOf(ctx context.Context, c container) string {
	for restarts := c.restarts; restarts >= max(0, c.restarts-1); restarts-- {
		c.restarts = restarts
		l.mu.Lock()
		r := l.runs[c]
		l.mu.Unlock()
		if r == nil {
			continue
		}
		select {
		case <-r.done:
		case <-ctx.Done():
		case <-time.After(logSettleTime):
		}
		l.mu.Lock()
		text := strings.Join(r.tail, "\n")
		l.mu.Unlock()
		if text != "" {
			return text
		}
	}
	return ""
}

// logSettleTime is how long the last lines of a log may take to arrive.
const logSettleTime = 300 * time.Millisecond
