package main

import (
	"fmt"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/config"
)

// The command of the action for the whole pipeline, which has few inputs and takes the
// other settings by one of them.
const (
	mainCommand   = "run"
	settingsInput = "settings"
)

// input is an input of an action that becomes a setting. Instead says, of one that is
// there for those only who gave it before, what to write today.
type input struct {
	name, variable, description, instead string
}

// inputs are those of a command. What was an input once, by the file as it is, goes on
// being one until the next major version: an input that is not declared is passed over,
// also require-digests.
func inputs(command string, before []string) []input {
	var all []input
	if command == mainCommand {
		all = append(all, input{name: settingsInput, variable: config.SettingsVariable,
			description: "all other settings, as stagecrew.yaml has them: KEY: VALUE, one per line; they count before that file"})
	}
	for _, s := range named(command).Settings() {
		if !s.IsInput {
			continue
		}
		current := s.IsMain || command != mainCommand
		if current {
			all = append(all, input{s.Input, config.Variable(s.Name), s.Text("one per line"), ""})
		}
		if (s.Name != s.Input || !current) && slices.Contains(before, s.Name) {
			all = append(all, input{s.Name, config.Variable(s.Name), "", instead(s, current)})
		}
	}
	return all
}

// named is the command of that name.
func named(command string) config.Command {
	return config.Commands()[slices.IndexFunc(config.Commands(), func(c config.Command) bool { return c.Name == command })]
}

// instead says what to give in place of an old name.
func instead(s config.Setting, current bool) string {
	switch {
	case current:
		return "the input is called " + s.Input + " now"
	case !s.InFile:
		return "give the variable " + config.Variable(s.Name) + " in env: of the step"
	default:
		return "give it as the key " + s.Name + " of the input " + settingsInput
	}
}

// isOurs reports whether an input is generated.
func isOurs(name string) bool {
	return name == settingsInput || slices.ContainsFunc(config.All(), func(s config.Setting) bool { return s.Name == name || s.Input == name })
}

// declarations are the entries of an action.yml, of the inputs that count today or of
// those before. The runner shows a deprecation message as a warning where the input is
// given (actions/runner, src/Runner.Worker/ActionRunner.cs).
func declarations(all []input, old bool) []string {
	var entries []string
	for _, in := range all {
		description, message := in.description, ""
		if in.instead != "" {
			description = "before v2: " + in.instead
			message = fmt.Sprintf("    deprecationMessage: %s\n", quote(in.instead+"; this one goes away with v2"))
		}
		if old == (in.instead != "") {
			entries = append(entries, fmt.Sprintf("  %s:\n    description: %s\n    required: false\n    default: ''\n%s", in.name, quote(description), message))
		}
	}
	return entries
}

// variables hand the inputs on. An empty input leaves what the job has set.
func variables(all []input) []string {
	given, order := map[string]string{}, []string{}
	for _, in := range all {
		if given[in.variable] == "" {
			order = append(order, in.variable)
		}
		given[in.variable] += "inputs." + in.name + " || "
	}
	var entries []string
	for _, variable := range order {
		entries = append(entries, fmt.Sprintf("        %s: ${{ %senv.%[1]s }}\n", variable, given[variable]))
	}
	return entries
}
