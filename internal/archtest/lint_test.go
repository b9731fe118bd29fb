package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// directive is a comment that silences linters.
var directive = regexp.MustCompile(`//nolint:([a-z0-9,]+)`)

// standard are the linters that golangci-lint runs unless told otherwise.
var standard = []string{"errcheck", "govet", "ineffassign", "staticcheck", "unused"}

// nolintlint finds directives that silence nothing, but of enabled linters only.
func TestADirectiveSilencesALinterThatRuns(t *testing.T) {
	var lint struct{ Linters struct{ Enable []string } }
	content, err := os.ReadFile("../../.golangci.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &lint))
	runs := append(lint.Linters.Enable, standard...)
	found := 0
	for _, pattern := range []string{"pkg/*/*.go", "pkg/*/*/*.go", "cmd/*/*.go", "cmd/*/*/*.go", "test/*/*.go", "test/*/*/*/*.go"} {
		files, err := filepath.Glob("../../" + pattern)
		require.NoError(t, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, m := range directive.FindAllStringSubmatch(string(source), -1) {
				found++
				for name := range strings.SplitSeq(m[1], ",") {
					require.Contains(t, runs, name, file)
				}
			}
		}
	}
	require.NotZero(t, found)
}
