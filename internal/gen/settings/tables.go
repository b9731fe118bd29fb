package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	begin = "<!-- generated from action.yml -->"
	end   = "<!-- end -->"
)

// tables gives the inputs and outputs of an action as Markdown, in the order of
// the file.
func tables(action []byte) (string, error) {
	var document struct{ Inputs, Outputs yaml.Node }
	if err := yaml.Unmarshal(action, &document); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, part := range []struct {
		title string
		node  yaml.Node
	}{{"input", document.Inputs}, {"output", document.Outputs}} {
		if len(part.node.Content) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n| %s | meaning |\n|---|---|\n", part.title)
		var old []string
		for i := 0; i+1 < len(part.node.Content); i += 2 {
			name := code(part.node.Content[i].Value)
			var field struct {
				Description string
				Deprecation string `yaml:"deprecationMessage"`
			}
			if err := part.node.Content[i+1].Decode(&field); err != nil {
				return "", err
			}
			if field.Deprecation != "" {
				old = append(old, name)
				continue
			}
			fmt.Fprintf(&b, "| %s | %s |\n", name, cell(field.Description))
		}
		if old != nil {
			fmt.Fprintf(&b, "\nWith a warning that says what to write, these work until v2: %s.\n", strings.Join(old, ", "))
		}
	}
	return b.String() + "\n", nil
}

// insert puts the tables between the markers of a README.
func insert(readme []byte, tables string) ([]byte, error) {
	before, rest, found := bytes.Cut(readme, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return nil, errors.New("the lines " + begin + " and " + end + " are missing")
	}
	return bytes.Join([][]byte{before, []byte(begin + "\n" + tables + end), after}, nil), nil
}
