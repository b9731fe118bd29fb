package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheRunbookHasEveryExitCodeOfTheReadmeAndNamesOnlyErrorCodesThatThereAre(t *testing.T) {
	read := func(file string) string {
		content, err := os.ReadFile("../../" + file)
		require.NoError(t, err)
		return string(content)
	}
	runbook, errors := read("docs/runbook.md"), read("docs/errors.md")
	codes := regexp.MustCompile(`(?m)^\| (\d) \|`).FindAllStringSubmatch(read("README.md"), -1)
	require.NotEmpty(t, codes)
	for _, c := range codes {
		require.Contains(t, runbook, "\n## Exit "+c[1])
	}
	named, code := 0, codeForm(t)
	for _, m := range regexp.MustCompile("`([a-z]+/[a-z-]+)`").FindAllStringSubmatch(runbook, -1) {
		if code.MatchString(m[1]) {
			named++
			require.Contains(t, errors, "\n## "+m[1]+"\n")
		}
	}
	require.NotZero(t, named)
	for _, file := range []string{"rbac.yaml", "errors.md", "deploy.md"} {
		require.Contains(t, runbook, "("+file+")")
	}
}

// importing gives the names of the files of a folder that import a library; tests are none.
func importing(t *testing.T, folder, path string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(folder + "/*.go")
	require.NoError(t, err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		if !strings.HasSuffix(file, "_test.go") && strings.Contains(string(source), `"`+path) {
			names = append(names, filepath.Base(file))
		}
	}
	require.NotEmpty(t, names)
	return names
}

func TestTheArchitectureNamesEveryRoomAndNoFileOrTestThatIsNotThere(t *testing.T) {
	content, err := os.ReadFile("../../docs/architecture.md")
	require.NoError(t, err)
	for _, room := range rooms(t) {
		require.Contains(t, string(content), "\n| `pkg/"+room+"` |")
	}
	for _, m := range regexp.MustCompile("`((?:pkg|cmd|internal|docs|test)/[a-z0-9/_.-]*)`").FindAllStringSubmatch(string(content), -1) {
		_, err := os.Stat("../../" + m[1])
		require.NoError(t, err)
	}
	tests := map[string]bool{}
	collect := func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := os.ReadFile(file)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(source, -1) {
			tests[string(m[1])] = true
		}
		return err
	}
	for _, top := range []string{"../../pkg", "../../internal"} {
		require.NoError(t, filepath.WalkDir(top, collect))
	}
	// Whoever takes another Helm finds each file that there is to change.
	for _, file := range importing(t, "../../pkg/release", "helm.sh/helm/v3") {
		require.Contains(t, string(content), "`"+file+"`", "it imports Helm")
	}
	for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(content), -1) {
		require.True(t, tests[m[1]], m[1])
	}
}
