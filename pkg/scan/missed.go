//go:build goexperiment.jsonv2

package scan

import (
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxMissed bounds what is listed of an image.
const maxMissed = 100

// unread is how Trivy tells that it passes over a package, or an advisory, whose
// version it does not understand. It goes on and has no other way to say it.
var unread = regexp.MustCompile(`(?i)version matching error|(failed|unable) to parse.*(version|constraint)|(version|constraint) error`)

// missed collects what was not compared.
type missed struct {
	mu  sync.Mutex
	all map[string]bool
}

// see notes a line of Trivy's log that tells of a comparison that was not made.
func (m *missed) see(r slog.Record) {
	if m == nil || !unread.MatchString(r.Message) {
		return
	}
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key + "=" + a.Value.String()
		return true
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[string]bool{}
	}
	if len(m.all) < maxMissed {
		m.all[text.Line(line, long)] = true
	}
}

// take gives what was noted, sorted, and begins anew.
func (m *missed) take() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Sorted(maps.Keys(m.all))
	m.all = nil
	return all
}
