package sensitive

import (
	"io"
	"path"
	"slices"
	"strings"
)

// packaged are the folders of an image that packages of the system fill: what lies
// there was published.
var packaged = patterns(
	"lib", "lib64", "usr/include", "usr/lib", "usr/lib64", "usr/libexec", "usr/share", "usr/src/linux*",
	"usr/local/include", "usr/local/lib", "usr/local/share", "opt/yarn-*", "var/lib/apt", "var/lib/dpkg",
)

// packages of languages bring along what they were published with, wherever they lie.
var packages = []string{"node_modules", "site-packages", "dist-packages", "gems", ".pyenv"}

// isPackaged reports whether a path of an image belongs to a published package.
func isPackaged(name string) bool {
	elements := strings.Split(name, "/")
	return slices.ContainsFunc(packages, func(p string) bool { return slices.Contains(elements, p) }) ||
		slices.ContainsFunc(packaged, func(p pattern) bool { return p.fits(elements, 0) >= 0 })
}

// File says why a file of an image does not belong there, "" for one that does. The
// names are those in the image, without the leading slash; app is the folder of the
// application. The content is read where the name does not decide; nil is one that is
// not known, as of a hard link.
func File(name, app string, content io.Reader) (why string, err error) {
	published, inApp := isPackaged(name), strings.HasPrefix(name, app+"/")
	m, found := match(name, func(r rule, at int) bool {
		if r.workspace && !inApp || !r.holdsBelow(name, at) {
			return false
		}
		return r.judge != nil || !published && (!r.template || !isTemplate(name))
	})
	switch {
	case found && (m.rule.judge == nil || content == nil && !published):
		return m.rule.why, nil
	case content == nil:
		return "", nil
	case found:
		return m.judge(content, published || isTemplate(name))
	case published || !MayHold(name):
		return "", nil
	}
	return Content(name, content)
}

// judge decides by the content. What is no list of settings was not understood, and
// counts, unless it was published.
func (m matched) judge(content io.Reader, lenient bool) (string, error) {
	head, err := io.ReadAll(io.LimitReader(content, MaxContent))
	if m.rule.judge(head) || !lenient && !hasSettings(head) {
		return m.rule.why, err
	}
	return "", err
}

// holdsBelow reports whether a path that a rule fits up to the given element is one of
// those with credentials.
func (r rule) holdsBelow(name string, at int) bool {
	below := strings.Split(strings.ToLower(name), "/")[at+1:]
	for n := range below {
		rel := path.Join(below[:n+1]...)
		if matchesAny(r.spares, rel) {
			return false
		}
		if matchesAny(r.holds, rel) {
			return true
		}
	}
	return len(r.holds) == 0
}
