package buildkit

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// Base is what the image of a Dockerfile is built on.
type Base struct {
	Image  string          // as the Dockerfile says, "" when that is no image or not to be told from here
	Labels map[string]bool // names of those that the Dockerfile sets itself
}

// Base reads the Dockerfile. One that cannot be read is for BuildKit to refuse.
func (b Build) Base() Base {
	found := Base{Labels: map[string]bool{}}
	file, err := os.Open(filepath.Join(b.Source, filepath.FromSlash(b.file())))
	if err != nil {
		return found
	}
	defer func() { _ = file.Close() }()
	parsed, err := parser.Parse(file)
	if err != nil {
		return found
	}
	stages, arguments, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return found
	}
	words := expanding{lex: shell.NewLex(parsed.EscapeToken), values: map[string]string{}}
	words.define(arguments, b.arguments())
	for at := stageOf(stages, b.Target, len(stages)); at >= 0; {
		found.note(stages[at], words)
		name := words.expand(stages[at].BaseName)
		next := stageOf(stages, name, at)
		if name == "" || next < 0 {
			if name != "scratch" {
				found.Image = name
			}
			break
		}
		at = next
	}
	return found
}

// note takes the labels of a stage.
func (found *Base) note(stage instructions.Stage, words expanding) {
	for _, command := range stage.Commands {
		if labels, ok := command.(*instructions.LabelCommand); ok {
			for _, pair := range labels.Labels {
				found.Labels[words.expand(pair.Key)] = true
			}
		}
	}
}

// stageOf finds a stage before one, by name or number; the last one for "". It is below
// zero when there is none.
func stageOf(stages []instructions.Stage, name string, before int) int {
	if name == "" && before == len(stages) {
		return before - 1
	}
	for i := before - 1; i >= 0; i-- {
		if strings.EqualFold(stages[i].Name, name) && name != "" || strconv.Itoa(i) == name {
			return i
		}
	}
	return -1
}

// expanding replaces variables in words of a Dockerfile.
type expanding struct {
	lex    *shell.Lex
	values map[string]string
}

// define takes the arguments before the first stage, with the values of the build.
func (e expanding) define(arguments []instructions.ArgCommand, given map[string]string) {
	for _, command := range arguments {
		for _, argument := range command.Args {
			if argument.Value != nil {
				e.values[argument.Key] = e.expand(*argument.Value)
			}
			if value, ok := given[argument.Key]; ok {
				e.values[argument.Key] = value
			}
		}
	}
}

// expand gives a word with its variables replaced, "" when it is malformed.
func (e expanding) expand(word string) string {
	expanded, _, err := e.lex.ProcessWord(word, shell.EnvsFromSlice(pairs(e.values)))
	if err != nil {
		return ""
	}
	return expanded
}

// Empty are labels with empty values: BuildKit keeps those of the base that nothing
// replaces.
func (b Base) Empty(names map[string]string, but map[string]string) map[string]string {
	empty := maps.Clone(names)
	maps.DeleteFunc(empty, func(name, _ string) bool { _, ours := but[name]; return ours || b.Labels[name] })
	for name := range empty {
		empty[name] = ""
	}
	return empty
}
