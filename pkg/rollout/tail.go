package rollout

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// take keeps a line, and tells the judge when it is the first that a pattern matches. One that
// a restart may heal gives way to one that it does not.
func (l *logs) take(r *run, text string) {
	found, matches := l.match(text)
	l.mu.Lock()
	news := matches && (r.found.Text == "" || r.found.Transient && !found.Transient)
	if news {
		r.found = found
	}
	if len(text) > wording.MaxLine*4 {
		text = wording.Shorten(text)
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

func (l *logs) match(text string) (cluster.Line, bool) {
	match := func(p *regexp.Regexp) bool { return p.MatchString(text) }
	if !slices.ContainsFunc(l.patterns, match) && !wording.WrongArchitecture.MatchString(text) {
		return cluster.Line{}, false
	}
	return cluster.Line{Text: wording.Shorten(wording.Plain(text)), Transient: slices.ContainsFunc(l.passing, match), MetLock: backstage.MetLock(text)}, true
}

// tailOf are the last lines of a run that was read to its end, or of the one before while
// it has said nothing. It waits a moment for a run that has ended and is still being read;
// one whose container was ready is read no more, and what it said last is not among them.
func (l *logs) tailOf(ctx context.Context, c podstate.Run) string {
	for restarts := c.Restarts; restarts >= max(0, c.Restarts-1); restarts-- {
		c.Restarts = restarts
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
		text := ""
		if r.ended {
			text = strings.Join(r.tail, "\n")
		}
		l.mu.Unlock()
		if text != "" {
			return text
		}
	}
	return ""
}

// logSettleTime is how long the last lines of a log may take to arrive.
const logSettleTime = 300 * time.Millisecond
