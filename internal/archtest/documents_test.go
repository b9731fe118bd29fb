package archtest

import (
	"go/ast"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	withHelm := 0
	sources(t, func(file string, tree *ast.File) {
		if slices.ContainsFunc(tree.Imports, func(i *ast.ImportSpec) bool { return strings.HasPrefix(i.Path.Value, `"helm.sh/helm/`) }) {
			withHelm++
			require.Contains(t, string(content), "`"+filepath.Base(file)+"`", "it imports Helm")
		}
	})
	require.NotZero(t, withHelm)
	for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(content), -1) {
		require.True(t, tests[m[1]], m[1])
	}
}
