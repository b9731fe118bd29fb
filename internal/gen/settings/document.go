package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/report"
)

const introduction = `# Settings

<!-- Written by make generate from pkg/config and pkg/report: do not edit. -->

A setting has one name: the flag ` + "`--some-flag`" + ` is the key ` + "`some-flag`" + ` of ` + "`stagecrew.yaml`" + `, the variable ` + "`STAGECREW_SOME_FLAG`" + ` and the input
` + "`some-flag`" + ` of an action, unless another name of the input stands below. The first of these that has a value counts: flag, variable (an action turns
its inputs into variables; an empty input leaves a variable that the job has set), the keys in the input ` + "`settings`" + ` of the whole pipeline (the variable
` + "`STAGECREW_SETTINGS`" + `), file, default. An empty variable or key counts as not given. What is wrong anywhere is told at once, and
ends the run before it does anything (exit 2); a variable ` + "`STAGECREW_…`" + ` or a key that is no setting is an error, too,
but for [those that the workflows read](../actions/README.md#the-workflows).

A list is a flag that is given several times, a list in the file, and one value per line in a variable or an input. A boolean is ` + "`true` or `false`" + `. A
duration has a unit: ` + "`90s`, `5m`, `1h30m`" + `. Settings whose name ends in ` + "`-unsafe`" + ` switch a check off and are taken from a flag or a variable, not from the file.

` + "`stagecrew.yaml`" + ` in the working directory is read without being asked for; ` + "`--config FILE`" + ` names another one. A file of the repository may be a
link to another one of it, and not to what is outside. Tags of YAML that stand for something else, such as ` + "`!secret` or `!vault`" + `, are refused.
[stagecrew.example.yaml](stagecrew.example.yaml) is a commented example. With this line at its top, editors complete and check it against the
[schema](stagecrew.schema.json):

` + "```yaml" + `
# yaml-language-server: $schema=` + schemaURL + `
` + "```" + `
`

// document is docs/settings.md: a table for each group.
func document() []byte {
	var b bytes.Buffer
	b.WriteString(introduction)
	for _, group := range config.Groups() {
		fmt.Fprintf(&b, "\n## %s\n\n", group.Title)
		fmt.Fprintf(&b, "For %s.\n\n", owners(group.Settings[0].Name))
		b.WriteString("| setting | variable | default | meaning |\n|---|---|---|---|\n")
		for _, s := range group.Settings {
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", flag(s), config.Variable(s.Name), code(s.Default), cell(mark(s)))
		}
	}
	b.WriteString("\n## Secrets\n\nThey are variables only, for every command that needs them.\n\n| variable | meaning |\n|---|---|\n")
	for _, s := range config.AllSecrets() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s.Variable, cell(s.Help))
	}
	b.WriteString("\n## Outputs\n\nIn GitHub Actions a step gives these on. What is not known is empty.\n\n| output | commands | meaning |\n|---|---|---|\n")
	for _, o := range report.Outputs() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", o.Name, commands(func(c config.Command) bool { return c.TellsOf(o.Of) }), cell(o.Meaning))
	}
	return b.Bytes()
}

// owners are the commands that have a setting, and with it its whole group.
func owners(setting string) string {
	return commands(func(c config.Command) bool {
		return slices.ContainsFunc(c.Settings(), func(s config.Setting) bool { return s.Name == setting })
	})
}

// commands are those that are meant.
func commands(meant func(config.Command) bool) string {
	var names []string
	for _, c := range config.Commands() {
		if meant(c) {
			names = append(names, c.Name)
		}
	}
	if len(names) == len(config.Commands()) {
		return "every command"
	}
	return "`" + strings.Join(names, "`, `") + "`"
}

func flag(s config.Setting) string {
	if s.Short != "" {
		return fmt.Sprintf("`--%s`, `-%s`", s.Name, s.Short)
	}
	return fmt.Sprintf("`--%s`", s.Name)
}

// mark puts the word for the value into code, and adds the input that has another name.
func mark(s config.Setting) string {
	help := strings.Replace(s.Help, s.Value, code(s.Value), min(len(s.Value), 1))
	if s.Input != s.Name {
		help += "; input " + code(s.Input)
	}
	return help
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// cell makes a text fit for a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
