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
	hint := "its settings are flags"
	if args[0] == "true" || args[0] == "false" {
		hint = "a switch takes its value behind an equals sign, as --switch=" + args[0]
	}
	for _, m := range meant {
		if cmd.Flags().Lookup(m.flag) != nil && m.pattern.MatchString(args[0]) && args[0] != "true" && args[0] != "false" {
			hint = "--" + m.flag + " is perhaps meant"
			break
		}
	}
	return fmt.Errorf("%s takes no arguments, and got %q: %s; `%s --help` lists the settings", cmd.Name(), text.Cut(args[0], maxArgument), hint, cmd.CommandPath())
}

// oneRecord wants the file of a record.
func oneRecord(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return fmt.Errorf("%s wants the file of one record, and got %d: `%s`", cmd.Name(), len(args), cmd.UseLine())
}
