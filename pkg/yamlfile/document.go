// Package yamlfile reads the one YAML document of a file that a user wrote: settings, values,
// smoke checks, ignored findings.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ErrSeveral is what a file gives of which a part would not count.
var ErrSeveral = errors.New("it has several documents, and one is read")

// Document reads the one YAML document of a file; where the file has none, the node has no
// content. What stands behind it and is not empty would not count: that is [ErrSeveral].
func Document(content []byte) (*yaml.Node, error) {
	var first yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for n := 0; ; n++ {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return &first, nil
		case err != nil:
			return nil, located(content, err)
		case n == 0:
			first = document
		case len(document.Content) > 0 && document.Content[0].ShortTag() != "!!null":
			return nil, ErrSeveral
		}
	}
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
