package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// The tags of settings hold texts only.
func TestDeclared_TheTagsNameWhatThereIs(t *testing.T) {
	help := map[string]string{}
	for _, s := range All() {
		help[s.Name] = s.Help
	}
	require.Contains(t, help["config"], "default "+DefaultFile+" ")
	require.Contains(t, help["smoke"], record.SmokeBackstage+", or "+record.SmokeNone)
	require.Contains(t, help["log-pattern"], record.SmokeBackstage+" selects the preset")
	require.Contains(t, foreign, AllSecrets()[slices.IndexFunc(AllSecrets(), func(s Secret) bool { return s.Variable == VerdictKeyVariable })].Variable)
}

// What a workflow reads of a repository, a job may have in its environment, too: it is a
// setting, or is passed over.
func TestForeign_IsWhatTheWorkflowsRead(t *testing.T) {
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	require.NoError(t, err)
	var read []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\b(?:vars|secrets)\.(STAGECREW_[A-Z_]+)`).FindAllSubmatch(content, -1) {
			read = append(read, string(m[1]))
		}
	}
	require.NotEmpty(t, read)
	var settings []string
	for _, name := range Names() {
		settings = append(settings, Variable(name))
	}
	require.Subset(t, append(settings, foreign...), read)
	own := []string{VerdictKeyVariable, DirVariable, SettingsVariable}
	for _, name := range foreign {
		require.True(t, slices.Contains(own, name) || slices.Contains(read, name), "no workflow reads %s", name)
		require.NotContains(t, settings, name)
	}
}

// Where another program's setting gets its own answer, there is no setting of that name; and
// a command without a chart, such as scan, has another answer.
func TestElsewhere_IsWhatThereIsNotHere(t *testing.T) {
	for answer, names := range elsewhere {
		for _, name := range names {
			require.NotContains(t, Names(), name)
			require.Equal(t, "; "+answer, suggest(name, Names(), Variable))
			require.NotContains(t, suggest(name, []string{"config", "image"}, Variable), answer)
		}
		for _, m := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(answer, -1) {
			require.Contains(t, Names(), m[1])
		}
	}
}
