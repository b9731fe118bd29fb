package cli

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/test/documents"
)

// commanding are the documents that show commands to people.
var commanding = []string{"docs/images.md", "docs/runbook.md", "docs/deploy.md", "docs/smoke.md", "docs/migrations.md", "charts/backstage/README.md", "README.md"}

// shown are the lines that call stagecrew, in the fenced consoles and in the text of a
// document, without the prose that some of them begin with.
func shown(t *testing.T, document string) []string {
	t.Helper()
	var lines []string
	for _, console := range documents.Fenced(t, document, "console", "sh") {
		for line := range strings.Lines(console) {
			if strings.HasPrefix(line, "stagecrew ") {
				lines = append(lines, line)
			}
		}
	}
	for _, m := range regexp.MustCompile("`(stagecrew [^`]+ --[^`]+)`").FindAllStringSubmatch(documents.Read(t, document), -1) {
		if !strings.Contains(m[1], "COMMAND") {
			lines = append(lines, m[1])
		}
	}
	return lines
}

// blocks are the fenced parts of a kind in the document about images.
func blocks(t *testing.T, kind string) []string {
	t.Helper()
	found := documents.Fenced(t, "docs/images.md", kind)
	require.NotEmpty(t, found, kind)
	return found
}

var quoted = regexp.MustCompile(`"[^"]*"`)

func TestTheCommandsInTheDocumentsAreThere(t *testing.T) {
	seen := 0
	for _, document := range commanding {
		for _, line := range shown(t, document) {
			seen++
			command, _, _ := strings.Cut(quoted.ReplaceAllString(line, "text"), " > ")
			words := strings.Fields(command)
			if words[1] == "report" { // has no settings
				require.NoError(t, reportCommand(nil, io.Discard, io.Discard, new(int)).ParseFlags(words[2:]), line)
				continue
			}
			i := slices.IndexFunc(config.Commands(), func(c config.Command) bool { return c.Name == words[1] })
			require.GreaterOrEqual(t, i, 0, line)
			var settings config.Settings
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			config.Commands()[i].Define(flags, &settings)
			require.NoError(t, flags.Parse(words[2:]), line)
			require.Empty(t, flags.Args(), line)
		}
	}
	require.Greater(t, seen, 10)
}

func TestTheSettingsThatTheDocumentsNameAreThere(t *testing.T) {
	setting := regexp.MustCompile("`--([a-z-]+)")
	others := []string{"atomic", "wait", "wait-for-jobs", "keep-history", "ignore-scripts", "reset-then-reuse-values", "reuse-values", "some-setting", "some-flag", "help", "html", "insecure-ignore-tlog", "new-bundle-format", "registry-referrers-mode", "service-node-port-range"} // of Helm, npm, nobody, report, cosign and the API server
	for _, document := range append(commanding, "docs/errors.md") {
		for _, m := range setting.FindAllStringSubmatch(documents.Read(t, document), -1) {
			if !slices.Contains(others, m[1]) {
				require.Contains(t, config.Names(), m[1], document)
			}
		}
	}
}
