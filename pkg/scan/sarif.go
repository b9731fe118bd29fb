//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/aquasecurity/trivy/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// escapePaths makes paths in the image fit to be part of a URI, on which Trivy's writer
// depends: a file's name may be anything.
func escapePaths(report *types.Report) {
	escape := func(path string) string { return (&url.URL{Path: path}).String() }
	for i := range report.Results {
		r := &report.Results[i]
		if r.Class != types.ClassOSPkg {
			r.Target = escape(r.Target)
		}
		r.Vulnerabilities = slices.Clone(r.Vulnerabilities)
		for n := range r.Vulnerabilities {
			if path := &r.Vulnerabilities[n].PkgPath; *path != "" {
				*path = escape(*path)
			}
		}
	}
}

// maxWords bounds what a name or a line of a file may take of a report, in bytes.
const maxWords = 300

// plainWords makes what an image says fit to stand in the report's texts: Trivy's writer
// puts names of packages and lines of files as they are into plain text, in which
// brackets are links (SARIF 2.1.0, 3.11.6), and into Markdown.
func plainWords(report *types.Report) {
	for i := range report.Results {
		r := &report.Results[i]
		r.Vulnerabilities = slices.Clone(r.Vulnerabilities)
		for n := range r.Vulnerabilities {
			v := &r.Vulnerabilities[n]
			v.PkgName, v.InstalledVersion = plain(v.PkgName), plain(v.InstalledVersion)
		}
		r.Secrets = slices.Clone(r.Secrets)
		for n := range r.Secrets {
			r.Secrets[n].Match = plain(r.Secrets[n].Match)
		}
		r.Misconfigurations = slices.Clone(r.Misconfigurations)
		for n := range r.Misconfigurations {
			r.Misconfigurations[n].Message = plain(r.Misconfigurations[n].Message)
		}
	}
}

// plain is a text without what Markdown or a plain text of SARIF makes more of: that is
// written as in an address (%5B), and what cannot be seen is written out.
func plain(words string) string {
	words = text.Cut(words, maxWords)
	var b strings.Builder
	for i, r := range words {
		if strings.ContainsRune("[]<>|\\`*", r) || (r == '_' || r == '~') && !isWithin(words, i) {
			fmt.Fprintf(&b, "%%%02X", r)
			continue
		}
		b.WriteRune(r)
	}
	return text.Visible(b.String())
}

// isWithin reports whether the byte at i stands within a word.
func isWithin(words string, i int) bool {
	isWord := func(at int) bool {
		return at >= 0 && at < len(words) && (words[at] < unicode.MaxASCII && (unicode.IsLetter(rune(words[at])) || unicode.IsDigit(rune(words[at]))))
	}
	return isWord(i-1) && isWord(i+1)
}
