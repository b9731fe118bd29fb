package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// sources calls visit for each Go file of the product that is not a test.
func sources(t *testing.T, visit func(file string, tree *ast.File)) {
	t.Helper()
	for _, top := range []string{"../../pkg", "../../cmd/stagecrew"} {
		require.NoError(t, filepath.WalkDir(top, func(file string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err == nil {
				visit(strings.TrimPrefix(file, "../../"), tree)
			}
			return err
		}))
	}
}

func TestOnlySignMakesAVerifiedImage(t *testing.T) {
	used := false
	sources(t, func(file string, tree *ast.File) {
		ast.Inspect(tree, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || selector.Sel.Name != "NewVerified" && selector.Sel.Name != "NewUnsignedUnsafe" {
				return true
			}
			used = true
			require.True(t, strings.HasPrefix(file, "pkg/sign/"), "%s makes a Verified", file)
			return true
		})
	})
	require.True(t, used, "nothing makes a Verified: the rule checks nothing")
}

// What others wrote may be wrong in any number of places: what was found of it is joined by
// record.Problems, which tells the first. And what Windows writes before a text has one name.
func TestWhatOthersWroteIsReadInOneWay(t *testing.T) {
	sources(t, func(file string, tree *ast.File) {
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				joined, ok := n.Fun.(*ast.SelectorExpr)
				if ok && n.Ellipsis.IsValid() && joined.Sel.Name == "Join" {
					list, _ := n.Args[0].(*ast.Ident)
					require.False(t, list != nil && list.Name == "problems", "%s: record.Problems bounds them", file)
				}
			case *ast.BasicLit:
				value, _ := strconv.Unquote(n.Value)
				require.False(t, value == text.ByteOrderMark && !strings.HasPrefix(file, "pkg/text/"), "%s: text.ByteOrderMark, or text.Unmarked", file)
			}
			return true
		})
	})
}

func TestTheEnvironmentIsReadAtTheEdgeOnly(t *testing.T) {
	sources(t, func(file string, tree *ast.File) {
		if strings.HasPrefix(file, "pkg/gha/") || strings.HasPrefix(file, "pkg/config/") || file == "cmd/stagecrew/main.go" {
			return
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := selector.X.(*ast.Ident); ok && x.Name == "os" {
					require.NotContains(t, []string{"Getenv", "LookupEnv", "Environ"}, selector.Sel.Name, file)
				}
			}
			return true
		})
	})
}

// codeForm is the form of a stable error code: room/what-happened, where a room is a
// package or a command.
func codeForm(t *testing.T) *regexp.Regexp {
	t.Helper()
	names := rooms(t)
	for _, c := range config.Commands() {
		names = append(names, c.Name)
	}
	return regexp.MustCompile(`^(` + strings.Join(names, "|") + `)/[a-z0-9]+(-[a-z0-9]+)*$`)
}

func TestEveryErrorCodeHasAHeadingInTheDocumentsAndNoneIsLeftOver(t *testing.T) {
	content, err := os.ReadFile("../../docs/errors.md")
	require.NoError(t, err)
	headings := map[string]bool{}
	for line := range strings.Lines(string(content)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "## "); ok {
			headings[name] = true
		}
	}
	used, code := map[string]string{}, codeForm(t)
	sources(t, func(file string, tree *ast.File) {
		ast.Inspect(tree, func(n ast.Node) bool {
			if _, isImport := n.(*ast.ImportSpec); isImport {
				return false
			}
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil && code.MatchString(text) {
					used[text] = file
				}
			}
			return true
		})
	})
	require.NotEmpty(t, used)
	for text, file := range used {
		require.True(t, headings[text], "docs/errors.md has no heading for %s of %s", text, file)
	}
	for text := range headings {
		require.Contains(t, used, text, "docs/errors.md explains a code that nothing gives")
	}
}

// alone are files whose goroutines only wait, or work on bytes that are ours.
var alone = []string{"pkg/deploy/trial.go", "pkg/rollout/sources.go", "pkg/build/pack.go", "pkg/build/layer/gzip.go", "pkg/cli/console.go"}

// A panic ends the process from whatever goroutine it happens in.
func TestEveryGoroutineSurvivesAPanicOfItsWork(t *testing.T) {
	guards := func(body ast.Node) (found bool) {
		ast.Inspect(body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				x, isName := n.X.(*ast.Ident)
				found = found || isName && x.Name == "record" && n.Sel.Name == "Guard" || n.Sel.Name == "guarded"
			case *ast.Ident:
				found = found || n.Name == "recover"
			}
			return true
		})
		return found
	}
	seen := 0
	sources(t, func(file string, tree *ast.File) {
		ast.Inspect(tree, func(n ast.Node) bool {
			var started ast.Node
			switch n := n.(type) {
			case *ast.GoStmt:
				started = n.Call
			case *ast.CallExpr:
				if selector, ok := n.Fun.(*ast.SelectorExpr); ok && selector.Sel.Name == "Go" {
					started = n
				}
			}
			if started != nil && !slices.Contains(alone, file) {
				seen++
				require.True(t, guards(started), "%s starts a goroutine that a panic of its work would end the process from", file)
			}
			return true
		})
	})
	require.NotZero(t, seen)
}
