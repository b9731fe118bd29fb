// Package yamlfile reads the one YAML document of a file that a user wrote: settings, values,
// smoke checks, ignored findings.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxShown bounds what is shown of a key or a tag, in bytes.
const maxShown = 100

// ErrUncounted is what a file gives of which a part would not count: a second document, or a
// tag that is not YAML's own.
var ErrUncounted = errors.New("a part of it would not count")

// ErrSeveral is the [ErrUncounted] of a second document.
var ErrSeveral error = uncounted("it has several documents, and one is read")

// uncounted says what would not count.
type uncounted string

func (u uncounted) Error() string { return string(u) }

// Is implements what [errors.Is] asks for.
func (uncounted) Is(target error) bool { return target == ErrUncounted }

// Document reads the one YAML document of a file; where the file has none, the node has no
// content. What stands behind it and is not empty would not count, and neither would a tag
// that is not YAML's own: that is [ErrUncounted].
func Document(content []byte) (*yaml.Node, error) {
	var first yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for n := 0; ; n++ {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return &first, foreign(&first)
		case err != nil:
			return nil, located(content, err)
		case n == 0:
			first = document
		case len(document.Content) > 0 && document.Content[0].ShortTag() != "!!null":
			return nil, ErrSeveral
		}
	}
}

// known are the tags of YAML that its parser does something with.
var known = []string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!binary", "!!merge", "!!seq", "!!map"}

// foreign names the tags that a parser takes no notice of: those of another program, such
// as !vault and !secret, whose value is not what is written (kislyuk/yq#23,
// datafolklabs/cement#546), and an exclamation mark in front of a text
// (buildkite/agent#1281, #1283).
func foreign(document *yaml.Node) error {
	var problems []error
	var look func(node *yaml.Node, key string)
	look = func(node *yaml.Node, key string) {
		if node.Style&yaml.TaggedStyle != 0 && !slices.Contains(known, node.ShortTag()) {
			problems = append(problems, uncounted(fmt.Sprintf("line %d: %sthe tag %s is not known here, and the value would be what is written behind it: write the value itself", node.Line, key, text.Cut(node.Tag, maxShown))))
		}
		for i, child := range node.Content {
			if node.Kind == yaml.MappingNode {
				key = "key " + text.Cut(node.Content[i-i%2].Value, maxShown) + ": "
			}
			look(child, key)
		}
	}
	look(document, "")
	return record.Problems(problems...)
}

// unindented is a line that begins with a tab, which YAML does not take.
var unindented = regexp.MustCompile(`(?m)^ *\t`)

// unreadable is a character that YAML does not take.
var unreadable = regexp.MustCompile(`[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]`)

// located says on which line an error is that the parser gives none for, as of the first
// one, and what is wrong with a tab, of which it says that it "cannot start any token"
// (go-yaml/yaml#727, moraes/config#1). Content is what was read.
func located(content []byte, err error) error {
	lineOf := func(pattern *regexp.Regexp) int {
		at := pattern.FindIndex(content)
		if at == nil {
			return 0
		}
		return 1 + bytes.Count(content[:at[0]], []byte("\n"))
	}
	words := err.Error()
	tab := lineOf(unindented)
	switch {
	case tab > 0 && (strings.Contains(words, "cannot start any token") || strings.Contains(words, fmt.Sprintf("line %d:", tab))):
		return fmt.Errorf("line %d begins with a tab, and YAML is indented by spaces: %w", tab, err)
	case strings.Contains(words, "line "):
		return err
	}
	return fmt.Errorf("line %d: %w", max(lineOf(unreadable), 1), err)
}
