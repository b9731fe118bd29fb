package cli

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
)

var fenced = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// images is the document about everything before the deploy.
const images = "../../docs/images.md"

// blocks are its fenced parts of a kind.
func blocks(t *testing.T, kind string) []string {
	t.Helper()
	content, err := os.ReadFile(images)
	require.NoError(t, err)
	var found []string
	for _, m := range fenced.FindAllStringSubmatch(string(content), -1) {
		if m[1] == kind {
			found = append(found, m[2])
		}
	}
	require.NotEmpty(t, found, kind)
	return found
}

func TestTheCommandsInTheDocumentAreThere(t *testing.T) {
	for _, text := range blocks(t, "console") {
		for line := range strings.Lines(text) {
			words := strings.Fields(line)
			require.Equal(t, "stagecrew", words[0])
			i := slices.IndexFunc(config.Commands(), func(c config.Command) bool { return c.Name == words[1] })
			require.GreaterOrEqual(t, i, 0, line)
			var settings config.Settings
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			config.Commands()[i].Define(flags, &settings)
			require.NoError(t, flags.Parse(words[2:]), line)
			require.Empty(t, flags.Args(), line)
		}
	}
}

func TestTheSettingsThatTheDocumentNamesAreThere(t *testing.T) {
	setting := regexp.MustCompile("`--([a-z-]+)")
	content, err := os.ReadFile(images)
	require.NoError(t, err)
	for _, m := range setting.FindAllStringSubmatch(string(content), -1) {
		require.Contains(t, config.Names(), m[1])
	}
}
