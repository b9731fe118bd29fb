//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
	trivyresult "github.com/aquasecurity/trivy/pkg/result"
	"github.com/aquasecurity/trivy/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// oddVersion is the package's version in a line about a comparison that was not made.
var oddVersion = regexp.MustCompile(`version error \((.*?)\):`)

func pathOf(r types.Result, p fanal.Package) string { return cmp.Or(p.FilePath, r.Target) }

// withoutVersion reports whether a package stands for a file that could not be read.
func withoutVersion(r types.Result, p fanal.Package) bool {
	return r.Type == fanal.NodePkg && p.Version == ""
}

// notRead gives the files of the image that could not be read, sorted.
func notRead(img *scanned, report types.Report) []string {
	files := slices.Clone(img.unread)
	for _, r := range report.Results {
		for _, p := range r.Packages {
			if withoutVersion(r, p) {
				files = append(files, pathOf(r, p))
			}
		}
	}
	slices.Sort(files)
	files = slices.Compact(files)
	for i, file := range files {
		files[i] = text.Line(file, long)
	}
	return files
}

// complete refuses a report of which something is missing that was not allowed: what
// could not be read or compared is not clean.
func (s session) complete(img *scanned, files []string) error {
	if len(img.uncovered) > 0 && s.options.RequireAll {
		return record.Unavailable("scan/not-compared", "scanning image %q: %s; build on a system that has advisories, or leave --scan-require-all out: then this is told, not refused", img.Name(), strings.Join(img.uncovered, "; "))
	}
	if n := len(img.missed); n > 0 {
		s.log.Warn("versions that the scanner does not understand were not compared", "image", img.Name(), "comparisons", n, "first", img.missed[0])
		if s.options.RequireAll {
			return record.Unavailable("scan/not-compared", "scanning image %q: %s could not be made, the first: %s; without --scan-require-all such packages are counted, not refused", img.Name(), count(n, "comparison"), img.missed[0])
		}
	}
	if len(files) > 0 {
		s.log.Warn("files that the scanner could not read were not compared", "image", img.Name(), "files", len(files), "first", files[0])
	}
	var problems, paths []string
	if left := s.options.notAllowed(files); len(left) > 0 {
		problems, paths = append(problems, fmt.Sprintf("%s could not be read: %s", count(len(left), "file"), some(left))), left
	}
	if left := s.options.notAllowed(img.uncompared); len(left) > 0 {
		problems, paths = append(problems, fmt.Sprintf("%s with a version that cannot be compared: %s", count(len(left), "package"), some(left))), append(paths, left...)
	}
	if len(problems) == 0 {
		return nil
	}
	return record.Unavailable("scan/incomplete", "scanning image %q: %s; mend or remove what is there, or let it pass with --scan-allow-incomplete %s", img.Name(), strings.Join(problems, "; "), paths[0])
}

// notAllowed gives the paths that no pattern of the options allows.
func (o Options) notAllowed(paths []string) []string {
	allowed := trivyresult.IgnoreFindings{{Paths: o.AllowIncomplete}}
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		return len(o.AllowIncomplete) > 0 && allowed.Match("", strings.TrimPrefix(path, "/"), nil) != nil
	})
}

// some names the first few.
func some(all []string) string {
	words := strings.Join(all[:min(named, len(all))], ", ")
	if more := len(all) - named; more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	return words
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
