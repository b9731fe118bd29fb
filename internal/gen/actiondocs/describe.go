package main

import (
	"bytes"
	"strings"

	"github.com/spf13/pflag"

	"github.com/stagecrew/stagecrew/pkg/config"
)

// settings maps the name of each setting of the command line to its description,
// with its default.
func settings() map[string]string {
	var s config.Settings
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.Define(flags, &s)
	descriptions := map[string]string{}
	flags.VisitAll(func(f *pflag.Flag) {
		text := strings.ReplaceAll(f.Usage, "`", "")
		switch f.DefValue {
		case "", "[]", "0", "0s", "false":
		default:
			text += "; default " + f.DefValue
		}
		if _, list := f.Value.(pflag.SliceValue); list {
			text = strings.Replace(text, "repeatable", "one per line", 1)
		}
		descriptions[f.Name] = text
	})
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
