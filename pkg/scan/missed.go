//go:build goexperiment.jsonv2

package scan

import (
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/aquasecurity/trivy/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxMissed bounds what is listed of an image.
const maxMissed = 100

var (
	// unread is how Trivy tells that it passes over a package, or an advisory, whose
	// version it does not understand. It goes on and has no other way to say it.
	unread = regexp.MustCompile(`(?i)version matching error|(failed|unable) to parse.*(version|constraint)|(version|constraint) error`)
	// oddVersion is the package's version in such a line, oddFile the file in one about
	// a file that Trivy could not read.
	oddVersion = regexp.MustCompile(`version error \((.*?)\):`)
	oddFile    = regexp.MustCompile(`failed to parse (.+?): `)
	// innards are files of installed packages, and of tests: nothing is installed there.
	innards = regexp.MustCompile(`(^|/)(node_modules|tests?|testdata|fixtures|__fixtures__|examples?)/|(^|/)package\.json$`)
)

// missed collects what was not compared, and what could not be read.
type missed struct {
	mu    sync.Mutex
	all   map[string]bool
	files map[string]bool
}

// see notes a line of Trivy's log that tells of a comparison that was not made, or of
// a file that was not read.
func (m *missed) see(r slog.Record) {
	analysis := r.Message == "Analysis error"
	if m == nil || !analysis && !unread.MatchString(r.Message) {
		return
	}
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key + "=" + a.Value.String()
		return true
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	if !analysis {
		note(&m.all, text.Line(line, long))
		return
	}
	if file := oddFile.FindStringSubmatch(line); file != nil && !innards.MatchString(file[1]) {
		note(&m.files, file[1])
	}
}

func note(all *map[string]bool, line string) {
	if *all == nil {
		*all = map[string]bool{}
	}
	if len(*all) < maxMissed {
		(*all)[line] = true
	}
}

// take gives the comparisons that were noted, sorted, and begins anew.
func (m *missed) take() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Sorted(maps.Keys(m.all))
	m.all = nil
	return all
}

// takeFiles gives the files that were noted, sorted, and begins anew.
func (m *missed) takeFiles() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Sorted(maps.Keys(m.files))
	m.files = nil
	return all
}

// unreadFiles reports whether a file was noted since the last take.
func (m *missed) unreadFiles() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.files) > 0
}

// attribute says of which packages a comparison was not made, and where those are.
func attribute(lines []string, report types.Report) (named, files []string) {
	for _, line := range lines {
		packages, where := withVersion(report, oddVersion.FindStringSubmatch(line))
		if len(packages) > 0 {
			line = strings.Join(packages, ", ") + ": " + line
		}
		named, files = append(named, text.Line(line, long)), append(files, where...)
	}
	slices.Sort(files)
	return named, slices.Compact(files)
}

func withVersion(report types.Report, match []string) (packages, files []string) {
	if match == nil {
		return nil, nil
	}
	for _, r := range report.Results {
		for _, p := range r.Packages {
			if r.Class == types.ClassLangPkg && p.Version == match[1] && len(packages) < named {
				packages = append(packages, fmt.Sprintf("package %s in %s", p.Name, pathOf(r, p)))
				files = append(files, pathOf(r, p))
			}
		}
	}
	return packages, files
}
