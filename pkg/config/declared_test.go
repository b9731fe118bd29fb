package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestEverySettingSaysWhatItIs(t *testing.T) {
	seen, shorts := map[string]bool{}, map[string]bool{}
	for _, s := range declared(&Settings{}) {
		require.NotEmpty(t, s.Help, s.Name)
		require.Contains(t, s.Help, s.Value, s.Name)
		require.False(t, seen[s.Name], "%s is declared twice", s.Name)
		require.False(t, s.Short != "" && shorts[s.Short], "-%s is given twice", s.Short)
		seen[s.Name], shorts[s.Short] = true, true
	}
}

func TestEverySettingIsOneOfACommand(t *testing.T) {
	var s Settings
	had := map[string]bool{}
	for _, c := range Commands() {
		flags := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
		c.Define(flags, &s) // panics when two groups have a name in common
		flags.VisitAll(func(f *pflag.Flag) { had[f.Name] = true })
	}
	for _, name := range Names() {
		require.True(t, had[name], "no command has the group of %s", name)
	}
}

func TestEveryGroupNamesCommandsThatThereAre(t *testing.T) {
	known := []string{everyCommand}
	for _, c := range Commands() {
		known = append(known, c.Name)
	}
	for field := range reflect.TypeFor[Settings]().Fields() {
		if field.Type != reflect.TypeFor[Secrets]() {
			require.NotEmpty(t, field.Tag.Get("commands"), field.Name)
			require.Subset(t, known, strings.Fields(field.Tag.Get("commands")), field.Name)
		}
	}
}

// As helm and kubectl have them.
func TestShortFormsMeanWhatTheyMeanElsewhere(t *testing.T) {
	s, err := resolve(t, "", nil, "-n", "prod", "-o", "json", "-f", "a.yaml", "-f", "b.yaml")
	require.NoError(t, err)
	require.Equal(t, "prod", s.Namespace)
	require.Equal(t, OutputJSON, s.Output)
	require.Equal(t, []string{"a.yaml", "b.yaml"}, s.Values)
}

func TestTheHelpMarksWhatStandsForTheValue(t *testing.T) {
	var s Settings
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	Define(flags, &s)
	help := flags.FlagUsages()
	require.Contains(t, help, "-f, --values FILE")
	require.Contains(t, help, "--build-secret id=NAME,src=FILE")
	require.Contains(t, help, "--timeout duration")
	require.Contains(t, help, "(default 10m)")
	require.NotContains(t, help, "`")
}
