package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// directive is a comment that silences linters.
var directive = regexp.MustCompile(`//nolint:([a-z0-9,]+)`)

// standard are the linters that golangci-lint runs unless told otherwise.
var standard = []string{"errcheck", "govet", "ineffassign", "staticcheck", "unused"}

// linterSettings reads a file of golangci-lint's settings.
func linterSettings(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile("../../" + file)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, into))
}

// byDefault are the checks of staticcheck that golangci-lint leaves out unless told otherwise.
var byDefault = []string{"ST1000", "ST1003", "ST1016", "ST1020", "ST1021", "ST1022"}

// What make lint leaves out for its time is looked for every night.
func TestWhatLintLeavesOutIsInLintDeep(t *testing.T) {
	checks := func(file string) []string {
		var lint struct {
			Linters struct {
				Settings struct{ Staticcheck struct{ Checks []string } }
			}
		}
		linterSettings(t, file, &lint)
		return lint.Linters.Settings.Staticcheck.Checks
	}
	want := []string{"all"}
	for _, check := range append(checks(".golangci-deep.yml"), byDefault...) {
		want = append(want, "-"+check)
	}
	require.ElementsMatch(t, want, checks(".golangci.yml"))
}

// nolintlint finds directives that silence nothing, but of enabled linters only.
func TestADirectiveSilencesALinterThatRuns(t *testing.T) {
	var lint struct{ Linters struct{ Enable []string } }
	linterSettings(t, ".golangci.yml", &lint)
	runs := append(lint.Linters.Enable, standard...)
	found := map[string]bool{}
	everyFile(t, func(file string, source []byte) {
		for _, m := range directive.FindAllSubmatch(source, -1) {
			found[filepath.Dir(file)] = true
			for name := range strings.SplitSeq(string(m[1]), ",") {
				require.Contains(t, runs, name, file)
			}
		}
	})
	require.True(t, found["pkg/release/internal/manifest"], "files are read however deep they lie")
}

// everyFile calls visit for each Go file of the repository, those of other modules and
// tests, too.
func everyFile(t *testing.T, visit func(file string, source []byte)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("../..", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (slices.Contains([]string{".git", "bin", "dist", "node_modules", "testdata"}, entry.Name()) || strings.HasSuffix(file, "/ingress/build")):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(file, ".go"):
			return nil
		}
		source, err := os.ReadFile(file)
		if err == nil {
			visit(filepath.ToSlash(strings.TrimPrefix(file, "../../")), source)
		}
		return err
	}))
}

// makefileLists are what the Makefile sets with :=, as lists, by name.
func makefileLists(t *testing.T) map[string][]string {
	t.Helper()
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	lists := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\S+) +:= +(.*)$`).FindAllSubmatch(makefile, -1) {
		lists[string(m[1])] = strings.Fields(string(m[2]))
	}
	return lists
}

// A module that make lint does not go into is read by no linter.
func TestEachModuleWithCodeIsLinted(t *testing.T) {
	lists := makefileLists(t)
	require.NotEmpty(t, lists["LINTED"])
	modules := map[string]bool{}
	everyFile(t, func(file string, _ []byte) {
		dir := filepath.Dir(file)
		for ; dir != "."; dir = filepath.Dir(dir) {
			if _, err := os.Stat("../../" + dir + "/go.mod"); err == nil {
				break
			}
		}
		modules[dir] = true
	})
	require.ElementsMatch(t, append(lists["LINTED"], notLinted...), slices.Collect(maps.Keys(modules)))
	for name, some := range lists {
		module, partly := strings.CutPrefix(name, "LINTED_")
		if !partly {
			continue
		}
		packages := map[string]bool{}
		everyFile(t, func(file string, _ []byte) {
			if dir := filepath.Dir(file); strings.HasPrefix(dir+"/", module+"/") && !strings.HasPrefix(dir, module+"/addons") {
				packages["."+strings.TrimPrefix(dir, module)] = true
			}
		})
		require.ElementsMatch(t, append(some, ".", "./components"), slices.Collect(maps.Keys(packages)), module)
	}
}

// notLinted are modules that would have to be compiled for it; the Makefile says why.
var notLinted = []string{"cmd/sandbox/addons"}

// What setup.sh compiles is compiled once with what make does, where both are used.
func TestSetupCompilesAsMakeDoes(t *testing.T) {
	flags := regexp.MustCompile(`GOFLAGS='([^']+)'`)
	t.Setenv("GOFLAGS", "")
	t.Setenv("MAKEFLAGS", "")
	made, err := exec.CommandContext(t.Context(), "make", "-s", "-C", "../..", "env").CombinedOutput()
	require.NoError(t, err, string(made))
	script, err := os.ReadFile("../../actions/setup/setup.sh")
	require.NoError(t, err)
	want, got := flags.FindSubmatch(made), flags.FindSubmatch(script)
	require.NotNil(t, want, string(made))
	require.NotNil(t, got)
	require.Equal(t, string(want[1]), string(got[1]))
}

// Of what is compiled without it the race detector sees locks, which are functions of other
// packages, but no atomics: what is handed on by these would be called a race, or none.
func TestWhatTheRaceDetectorDoesNotSeeHasNoAtomics(t *testing.T) {
	unseen := makefileLists(t)["UNSEEN"]
	require.NotEmpty(t, unseen)
	list := exec.CommandContext(t.Context(), "go", append([]string{"list", "-race", "-f", "{{.ImportPath}} {{.Imports}}"}, unseen...)...)
	list.Env = append(os.Environ(), "CGO_ENABLED=1", "GOEXPERIMENT=")
	out, err := list.CombinedOutput()
	require.NoError(t, err, string(out))
	packages := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Greater(t, len(packages), len(unseen))
	for _, imports := range packages {
		require.NotRegexp(t, `[ \[](sync/atomic|internal/runtime/atomic)[ \]]`, imports)
	}
	everyFile(t, func(file string, source []byte) {
		require.NotRegexp(t, `(?m)^(import|\t) *(\w+ )?"unsafe"$`, string(source), file)
	})
}

// A loaded machine breaks no test: what is measured is measured in a bubble of
// testing/synctest, where time goes by only while everybody waits.
func TestNoTestIsBoundByTheClockOfTheWall(t *testing.T) {
	everyFile(t, func(file string, source []byte) {
		if !strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "test/") {
			return
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, source, parser.SkipObjectResolution)
		require.NoError(t, err)
		if slices.ContainsFunc(tree.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` }) {
			return
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			compared, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Less", "LessOrEqual", "InDelta", "WithinDuration"}, compared.Sel.Name) {
				return true
			}
			for _, argument := range call.Args {
				ast.Inspect(argument, func(n ast.Node) bool {
					since, ok := n.(*ast.SelectorExpr)
					if ok && since.Sel.Name == "Since" {
						from, isName := since.X.(*ast.Ident)
						require.False(t, isName && from.Name == "time", "%s measures a time without testing/synctest", file)
					}
					return true
				})
			}
			return true
		})
	})
}

// The linter says in an editor what the rules of the rooms say here.
func TestTheLinterLetsALibraryIntoItsRoomsOnly(t *testing.T) {
	var lint struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]struct {
						Files []string
						Deny  []struct{ Pkg string }
					}
				}
			}
		}
	}
	linterSettings(t, ".golangci.yml", &lint)
	for name, libraries := range map[string]string{"trivy": "github.com/aquasecurity/trivy", "helm": "helm.sh/helm/v3", "cosign": "github.com/sigstore/cosign", "actions": "github.com/sethvargo/go-githubactions", "registry": "github.com/google/go-containerregistry/pkg", "kubernetes": "k8s.io/client-go/kubernetes"} {
		rule := lint.Linters.Settings.Depguard.Rules[name]
		require.NotEmpty(t, rule.Files, name)
		require.True(t, strings.HasPrefix(libraries, rule.Deny[0].Pkg), name)
		for _, file := range rule.Files {
			if room, is := strings.CutPrefix(file, "!**/pkg/"); is {
				require.Contains(t, heavy[libraries], "pkg/"+strings.TrimRight(strings.TrimSuffix(room, "*.go"), "/*"), name)
			}
		}
	}
}
