// Package tags says which tags an image gets, and lets them point to it: those of a
// release go forward only, and a version stays what it was.
package tags

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/mod/semver"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// Rules say which tags an image gets. The same rules hold for a pushed tag, a
// release and a dispatch by hand: they look at the values only.
type Rules struct {
	// Version is a semantic version as [ParseVersion] reads it. 1.2.3 gives the tags 1.2.3, 1.2, 1 and latest, 0.2.3 the
	// tags 0.2.3, 0.2 and latest, 1.2.3-rc.1 just itself.
	Version string
	// Commit is a full commit id; it gives sha- and its first 7 digits.
	Commit string
	// Branch gives its name, in lower case, with - for what a tag cannot have.
	Branch string
	// Further are taken as they are.
	Further []string
}

// Move is one tag that is to point to an image.
type Move struct {
	Tag string
	// Forward lets the tag go to a higher version only, or to the same one.
	Forward bool
	// Fixed keeps the tag on its image once it is there.
	Fixed bool
	// Version is the image's; it is needed when Forward is set.
	Version string
}

const latest = "latest"

var (
	tagPattern    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	commitPattern = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
	commitTag     = regexp.MustCompile(`^sha-[0-9a-f]{7}$`)
	notInTags     = regexp.MustCompile(`[^a-z0-9_.-]+`)
	// releaseLike are names that belong to releases. 123-fix-login is none: GitHub calls
	// the branch of an issue so.
	releaseLike = regexp.MustCompile(`^v?\d+(\.\d+(\.\d+([-+_].*)?)?)?$`)
	// component is what monorepos put before a version: portal@, portal-v or portal/v.
	component = regexp.MustCompile(`^.+(?:[@/][vV]?|-[vV])(\d.*)$`)
)

// Moves lists the tags, those of a release from the most particular one to latest.
func (r Rules) Moves() ([]Move, error) {
	var moves []Move
	if r.Commit != "" {
		if !commitPattern.MatchString(r.Commit) {
			return nil, record.BadInput("build/tag", "commit %q: want the full id, 40 hexadecimal digits", r.Commit)
		}
		moves = append(moves, Move{Tag: "sha-" + r.Commit[:7]})
	}
	if r.Branch != "" {
		tag, err := branchTag(r.Branch)
		if err != nil {
			return nil, err
		}
		moves = append(moves, Move{Tag: tag})
	}
	var release []Move
	if r.Version != "" {
		var err error
		if release, err = releaseMoves(r.Version); err != nil {
			return nil, err
		}
	}
	for _, tag := range r.Further {
		// The stricter rule holds for a tag that is named twice.
		if !slices.ContainsFunc(slices.Concat(moves, release), func(m Move) bool { return m.Tag == tag }) {
			moves = append(moves, Move{Tag: tag})
		}
	}
	moves = append(moves, release...)
	for _, m := range moves {
		if err := check(m.Tag); err != nil {
			return nil, err
		}
	}
	return moves, nil
}

// branchTag is the tag of a branch. Two branches that differ only in letters that a tag
// cannot have would share one, unnoticed.
func branchTag(branch string) (string, error) {
	tag := strings.Trim(notInTags.ReplaceAllString(strings.ToLower(strings.TrimPrefix(branch, "refs/heads/")), "-"), "-.")
	var isWhose string
	switch {
	case tag == latest || releaseLike.MatchString(tag):
		isWhose = "a release"
	case commitTag.MatchString(tag):
		isWhose = "a commit"
	case strings.ContainsFunc(branch, func(r rune) bool { return r > unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) }):
		return "", record.BadInput("build/tag", "branch %q: a tag has none of its letters but a to z, so that other branches would have the same one; give --tag", branch)
	case tag == "":
		return "", record.BadInput("build/tag", "branch %q: nothing of its name can be in a tag; give --tag", branch)
	}
	if isWhose != "" {
		return "", record.BadInput("build/tag", "branch %q: its tag %q would be that of %s", branch, tag, isWhose)
	}
	return tag[:min(len(tag), 128)], nil
}

func releaseMoves(text string) ([]Move, error) {
	version, err := ParseVersion(text)
	if err != nil {
		return nil, err
	}
	// A tag cannot have the + of build metadata; Helm writes _ for it, too.
	moves := []Move{{Tag: strings.ReplaceAll(version, "+", "_"), Fixed: true, Version: version}}
	if semver.Prerelease("v"+version) != "" {
		return moves, nil
	}
	wide := []string{semver.MajorMinor("v" + version)}
	// Versions below 1 promise nothing to each other.
	if major := semver.Major("v" + version); major != "v0" {
		wide = append(wide, major)
	}
	for _, tag := range wide {
		moves = append(moves, Move{Tag: tag[1:], Forward: true, Version: version})
	}
	return append(moves, Move{Tag: latest, Forward: true, Version: version}), nil
}

// ParseVersion reads a semantic version with all its three numbers, as a Git
// reference or a person writes it, and gives it without the "v" and without the name
// of a monorepo's component: portal@1.2.3, portal-v1.2.3 and portal/v1.2.3 are 1.2.3.
func ParseVersion(text string) (string, error) {
	if version, ok := parseReference(text); ok {
		return version, nil
	}
	if parts := component.FindStringSubmatch(strings.TrimPrefix(text, "refs/tags/")); parts != nil {
		if version, ok := plainVersion(parts[1]); ok {
			return version, nil
		}
	}
	return "", notSemantic(text)
}

// ParseGitTag is ParseVersion for a tag that was not named for this image: one with the
// name of a component may be about another.
func ParseGitTag(tag string) (string, error) {
	if version, ok := parseReference(tag); ok {
		return version, nil
	}
	return "", notSemantic(tag)
}

func notSemantic(text string) error {
	return record.BadInput("build/tag", "version %q: want a semantic version with three numbers such as 1.2.3, v1.2.3, 1.2.3-rc.1 or portal@1.2.3", text)
}

func parseReference(text string) (version string, ok bool) {
	version = strings.TrimPrefix(text, "refs/tags/")
	if strings.HasPrefix(version, "v") || strings.HasPrefix(version, "V") {
		version = version[1:]
	}
	return plainVersion(version)
}

func plainVersion(version string) (string, bool) {
	core, _, _ := strings.Cut(version, "+")
	return version, semver.IsValid("v"+version) && semver.Canonical("v"+version) == "v"+core
}

// versionTag reads a tag that is a full version.
func versionTag(tag string) (version string, ok bool) {
	return parseReference(strings.ReplaceAll(tag, "_", "+"))
}

// within reports whether a released version counts for a tag: 1.2.3 for 1.2, 1 and
// latest.
func within(version, tag string) bool {
	v := "v" + version
	return semver.Prerelease(v) == "" && slices.Contains([]string{semver.MajorMinor(v), semver.Major(v), "v" + latest}, "v"+tag)
}

func compareVersions(a, b string) int { return semver.Compare("v"+a, "v"+b) }

// attachedTag is where registries and cosign keep what belongs to the image with the digest:
// a tag of an image there takes its signatures away (goharbor/harbor#17332).
var attachedTag = regexp.MustCompile(`^sha(256|512)-[0-9a-f]{64}`)

func check(tag string) error {
	if !tagPattern.MatchString(tag) {
		return record.BadInput("build/tag", "tag %q: want 1 to 128 letters, digits and _.- with a letter, digit or _ first", tag)
	}
	if strings.HasPrefix(tag, registry.CacheTag) || tag == registry.BuildCacheTag {
		return record.BadInput("build/tag", "tag %q: it is one of those that keep layers", tag)
	}
	if attachedTag.MatchString(tag) {
		return record.BadInput("build/tag", "tag %q: it is one of those that keep the signatures of an image", tag)
	}
	return nil
}
