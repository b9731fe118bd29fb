package main

import (
	"bytes"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/config"
)

// settings maps the name of each setting to its description as the input of an action.
func settings() map[string]string {
	descriptions := map[string]string{}
	for _, s := range config.All() {
		descriptions[s.Name] = s.Text("one per line")
	}
	return descriptions
}

// describe rewrites the description lines under "inputs:" of an action.yml. It
// works by line, so that everything else stays as somebody wrote it.
func describe(content []byte, settings map[string]string) []byte {
	const nameIndent, lineIndent = "  ", "    description:"
	var out bytes.Buffer
	inInputs, name := false, ""
	for line := range strings.Lines(string(content)) {
		trimmed := strings.TrimRight(line, "\n")
		switch {
		case trimmed != "" && trimmed[0] != ' ' && trimmed[0] != '#':
			inInputs = trimmed == "inputs:"
		case inInputs && strings.HasPrefix(trimmed, nameIndent) && trimmed[len(nameIndent)] != ' ':
			name = strings.TrimSuffix(strings.TrimSpace(trimmed), ":")
		case inInputs && strings.HasPrefix(trimmed, lineIndent) && settings[name] != "":
			line = lineIndent + " " + quote(settings[name]) + "\n"
		}
		out.WriteString(line)
	}
	return out.Bytes()
}

// quote writes a YAML string in single quotes, which need no other escape.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
