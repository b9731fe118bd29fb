package trivylog

import (
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// MaxMissed bounds what is listed of an image.
const MaxMissed = 100

// maxLine bounds a line about a comparison.
const maxLine = 240

var (
	// unread is how Trivy tells that it passes over a package, or an advisory, whose
	// version it does not understand. It goes on and has no other way to say it.
	unread = regexp.MustCompile(`(?i)version matching error|(failed|unable) to parse.*(version|constraint)|(version|constraint) error`)
	// oddFile is the file in a line about a file that Trivy could not read.
	oddFile = regexp.MustCompile(`failed to parse (.+?): `)
	// innards are files of installed packages, and of tests: nothing is installed there.
	innards = regexp.MustCompile(`(^|/)(node_modules|tests?|testdata|fixtures|__fixtures__|examples?)/|(^|/)package\.json$`)
)

// unlisted and unsupported are how Trivy tells that it compares no packages of the
// operating system.
const unlisted, unsupported = "No OS package is detected", "Unsupported os"

// Missed collects what was not compared, and what could not be read.
type Missed struct {
	// Comparisons are lines about those that were not made, Files are paths, Systems say
	// why the packages of the operating system were not compared.
	Comparisons, Files, Systems Noted
}

// Noted are lines, each once.
type Noted struct {
	mu  sync.Mutex
	all map[string]bool
}

// see notes a line of Trivy's log that tells of a comparison that was not made, or of
// a file that was not read.
func (m *Missed) see(r slog.Record) {
	switch {
	case m == nil:
		return
	case strings.HasPrefix(r.Message, unlisted):
		m.Systems.add("the image has no list of the packages of its operating system, so that they were not compared")
		return
	case strings.HasPrefix(r.Message, unsupported):
		m.Systems.add("the scanner has no advisories for the image's operating system, so that its packages were not compared")
		return
	}
	analysis := r.Message == "Analysis error"
	if !analysis && !unread.MatchString(r.Message) {
		return
	}
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key + "=" + a.Value.String()
		return true
	})
	if !analysis {
		m.Comparisons.add(text.Line(line, maxLine))
		return
	}
	if file := oddFile.FindStringSubmatch(line); file != nil && !innards.MatchString(file[1]) {
		m.Files.add(file[1])
	}
}

func (n *Noted) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[string]bool{}
	}
	if len(n.all) < MaxMissed {
		n.all[line] = true
	}
}

// Take gives what was noted, sorted, and begins anew.
func (n *Noted) Take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := slices.Sorted(maps.Keys(n.all))
	n.all = nil
	return all
}

// Any reports whether something was noted since the last take.
func (n *Noted) Any() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.all) > 0
}
