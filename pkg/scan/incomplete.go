//go:build goexperiment.jsonv2

package scan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
	trivyresult "github.com/aquasecurity/trivy/pkg/result"
	"github.com/aquasecurity/trivy/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

func pathOf(r types.Result, p fanal.Package) string { return cmp.Or(p.FilePath, r.Target) }

// withoutVersion reports whether a package stands for a file that could not be read.
func withoutVersion(r types.Result, p fanal.Package) bool {
	return r.Type == fanal.NodePkg && p.Version == ""
}

// notRead gives the files of the image that could not be read, sorted.
func notRead(img *watchedImage, report types.Report) []string {
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

// complete refuses a report of which something is missing that nobody allowed: what
// could not be read or compared is not clean.
func (s session) complete(img *watchedImage, files []string) error {
	if n := len(img.missed); n > 0 {
		s.log.Warn("versions that the scanner does not understand were not compared", "image", img.name, "comparisons", n, "first", img.missed[0])
		if s.options.RequireAll {
			return record.Unavailable("scan/not-compared", "scanning image %q: %s could not be made, the first: %s; without --scan-require-all such packages are counted, not refused", img.name, count(n, "comparison"), img.missed[0])
		}
	}
	if len(files) > 0 {
		s.log.Warn("files that the scanner could not read were not compared", "image", img.name, "files", len(files), "first", files[0])
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
	return record.Unavailable("scan/incomplete", "scanning image %q: %s; mend or remove what is there, or let it pass with --scan-allow-incomplete %s", img.name, strings.Join(problems, "; "), paths[0])
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
