package cli

import (
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxArgument bounds what an error repeats of an argument, in bytes.
const maxArgument = 200

// meant are the settings that people of other tools give by their place: an image as to
// cosign and trivy, a revision and a release as to helm.
var meant = []struct {
	flag    string
	pattern *regexp.Regexp
}{
	{"to", regexp.MustCompile(`^\d+$`)},
	{"image", regexp.MustCompile(`^[a-z0-9][^\s=]*[:/]`)},
	{"release", regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)},
}

// settingsOnly refuses arguments in words that say what is wanted in their place; cobra
// speaks of an unknown command (spf13/cobra#1276, helm/helm#8993), also where a switch
// was given a value (spf13/cobra#1480).
func settingsOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no arguments, and got %q: %s; `%s --help` lists the settings", cmd.Name(), text.Cut(args[0], maxArgument), instead(cmd, args[0]), cmd.CommandPath())
}

// instead says what is probably wanted in the place of an argument.
func instead(cmd *cobra.Command, argument string) string {
	if argument == "true" || argument == "false" {
		return "a switch takes its value behind an equals sign, as --switch=" + argument
	}
	for _, m := range meant {
		if cmd.Flags().Lookup(m.flag) != nil && m.pattern.MatchString(argument) {
			return "--" + m.flag + " is perhaps meant"
		}
	}
	return "its settings are flags"
}

// oneRecord wants the file of a record.
func oneRecord(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return fmt.Errorf("%s wants the file of one record, and got %d: `%s`", cmd.Name(), len(args), cmd.UseLine())
}
