package build

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// dockerignore is the file of a workspace that says what no image needs.
const dockerignore = ".dockerignore"

const maxIgnoreFile = 1 << 20

// ignores are the patterns of a workspace's .dockerignore that hold for the layers
// builder. Those that would leave out what the image is made of do not: the file that
// create-app writes is for a Dockerfile, which installs and unpacks for itself, and
// names node_modules, packages/*/src, packages/*/dist and plugins
// (backstage/backstage#7107, #13180, #24808).
type ignores struct {
	root    *os.Root
	matcher *patternmatcher.PatternMatcher
	// without are the patterns that do not hold.
	without []string
}

// readIgnores reads the file, if there is one. What was asked for by name is needed as
// well.
func readIgnores(root *os.Root, packages, include []string) (*ignores, error) {
	content, err := files.ReadIn(root, dockerignore, maxIgnoreFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, record.BadInput("build/ignore-file", "reading %s: %w", dockerignore, err)
	}
	patterns, err := readPatterns(content)
	if err != nil {
		return nil, record.BadInput("build/ignore-file", "reading %s: %w", dockerignore, err)
	}
	i := &ignores{root: root}
	needed := append(neededPaths(packages), include...)
	patterns = slices.DeleteFunc(patterns, func(pattern string) bool {
		hides := pattern != "" && pattern[0] != '!' && slices.ContainsFunc(needed, func(name string) bool {
			matches, err := patternmatcher.MatchesOrParentMatches(name, []string{pattern})
			return err == nil && matches
		})
		if hides {
			i.without = append(i.without, pattern)
		}
		return hides
	})
	if i.matcher, err = patternmatcher.New(patterns); err != nil {
		return nil, record.BadInput("build/ignore-file", "reading %s: %w", dockerignore, err)
	}
	return i, nil
}

// readPatterns reads the patterns and names the one that is malformed.
func readPatterns(content []byte) ([]string, error) {
	if err := text.CheckUTF8(content); err != nil {
		return nil, err
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	for _, pattern := range patterns {
		if _, err := patternmatcher.MatchesOrParentMatches("x", []string{pattern}); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	return patterns, nil
}

// neededPaths are what the image of a workspace is made of; what the catalog reads is
// its owner's to leave out.
func neededPaths(packages []string) []string {
	needed := slices.DeleteFunc(append(backstage.Included(), backstage.AppConfig), func(name string) bool {
		return strings.HasPrefix(name, "catalog") || name == "examples"
	})
	for _, folder := range append([]string{"packages/x", "plugins/x"}, packages...) {
		for _, name := range []string{"", "package.json", "dist", "dist/x", "src", backstage.Modules} {
			needed = append(needed, path.Join(folder, name))
		}
	}
	return needed
}

// match reports whether the file names a path of the workspace that is not among
// the dependencies, and whether all below it is ignored, too.
func (i *ignores) match(root *os.Root, name string, kind part) (ignored, below bool) {
	if i == nil || root != i.root || kind == dependencies || name == backstage.AppConfig {
		return false, false
	}
	matches, err := i.matcher.MatchesOrParentMatches(name)
	return err == nil && matches, !i.matcher.Exclusions()
}
