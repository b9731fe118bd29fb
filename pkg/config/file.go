package config

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
	"github.com/stagecrew/stagecrew/pkg/yamlfile"
)

// parse reads a document: one mapping of setting names to a plain value or a list of
// plain values, and the line of each name. Values are kept as they are written, so that
// the tag 1.10 does not become the number 1.1.
func parse(content []byte) (values map[string][]string, lines map[string]int, err error) {
	document, err := yamlfile.Document(content)
	if err != nil {
		return nil, nil, err
	}
	values, lines = map[string][]string{}, map[string]int{}
	if len(document.Content) == 0 {
		return values, lines, nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, nil, fmt.Errorf("line %d: want a mapping of settings, such as \"release: backstage\"", root.Line)
	}
	var problems []error
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			problems = append(problems, fmt.Errorf("line %d: want the name of a setting before the colon, not a list or a mapping", key.Line))
			continue
		}
		if _, twice := values[key.Value]; twice {
			problems = append(problems, fmt.Errorf("line %d: key %s is given twice", key.Line, key.Value))
		}
		given, err := scalars(node)
		if err != nil {
			problems = append(problems, fmt.Errorf("line %d: key %s: %w", node.Line, key.Value, err))
		}
		values[key.Value], lines[key.Value] = given, key.Line
	}
	return values, lines, record.Problems(problems...)
}

// scalars gives the values of a node; an empty or null value counts as unset.
func scalars(node *yaml.Node) ([]string, error) {
	switch {
	case node.Kind == yaml.AliasNode:
		return scalars(node.Alias)
	case !means(node):
		return nil, strange(node)
	case node.Kind == yaml.ScalarNode && (node.Value == "" || node.Tag == "!!null"):
		return []string{}, nil
	case node.Kind == yaml.ScalarNode:
		return []string{node.Value}, nil
	case node.Kind != yaml.SequenceNode:
		return nil, errors.New("want a plain value or a list of them, not a mapping")
	}
	all := []string{}
	for _, element := range node.Content {
		if element.Kind == yaml.AliasNode {
			element = element.Alias
		}
		switch {
		case element.Kind != yaml.ScalarNode:
			return nil, errors.New("a list may hold plain values only")
		case !means(element):
			return nil, strange(element)
		}
		if element.Tag != "!!null" {
			all = append(all, element.Value)
		}
	}
	return all, nil
}

// plainTags are those of YAML for a value that stays what is written, and for a list.
var plainTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!seq"}

// means reports whether a tag of YAML's own that is written at a node changes nothing: the
// value of !!binary is not what is written.
func means(node *yaml.Node) bool {
	return node.Kind == yaml.MappingNode || node.Style&yaml.TaggedStyle == 0 || slices.Contains(plainTags, node.ShortTag())
}

func strange(node *yaml.Node) error {
	return fmt.Errorf("the tag %s is not known here, and the value would be what is written behind it: write the value itself, or give it by a variable", text.Cut(node.Tag, maxShown))
}
