package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/stagecrew/stagecrew/"

// packages maps each import path to its direct imports, for the whole module
// and everything below it. Nobody may change it.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	imports, err := listed()
	require.NoError(t, err)
	return imports
}

// listed asks Go once for all rules: it takes seconds.
var listed = sync.OnceValues(func() (map[string][]string, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("%w: %s", err, failed.Stderr)
		}
		return nil, err
	}
	imports := map[string][]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return imports, nil
		case err != nil:
			return nil, err
		}
		imports[p.ImportPath] = p.Imports
	}
})

// path gives one way from a package to a library that does not lead through the
// rooms that may use it, nil when there is none.
func path(imports map[string][]string, from, library string, rooms []string, seen map[string]bool) []string {
	if strings.HasPrefix(from, library) {
		return []string{from}
	}
	for _, room := range rooms {
		if from == module+room || strings.HasPrefix(from, module+room+"/") {
			return nil
		}
	}
	if seen[from] {
		return nil
	}
	seen[from] = true
	for _, next := range imports[from] {
		if rest := path(imports, next, library, rooms, seen); rest != nil {
			return append([]string{from}, rest...)
		}
	}
	return nil
}

// heavy are the libraries that only some rooms reach.
var heavy = map[string][]string{
	"github.com/aquasecurity/trivy":              {"pkg/scan"},
	"helm.sh/helm/v3":                            {"pkg/release"},
	"github.com/sigstore/cosign":                 {"pkg/sign"},
	"github.com/sethvargo/go-githubactions":      {"pkg/gha"},
	"github.com/google/go-github/v90":            {"pkg/github"},
	"github.com/chromedp":                        {"pkg/smoke/chromium"},
	"github.com/google/go-containerregistry/pkg": {"pkg/registry", "pkg/build", "pkg/validate", "pkg/tags", "pkg/promote", "pkg/sign", "pkg/scan", "pkg/release", "pkg/migrations/images"},
	"github.com/jackc/pgx/v5":                    {"pkg/database"},
	"k8s.io/client-go/kubernetes":                {"pkg/database", "pkg/kube", "pkg/lease", "pkg/preflight", "pkg/release", "pkg/rollout", "pkg/sign", "pkg/scan"},
}

func TestEachHeavyLibraryIsReachedThroughItsRoomOnly(t *testing.T) {
	imports := packages(t)
	for library, allowed := range heavy {
		t.Run(library, func(t *testing.T) {
			reached := false
			for from := range imports {
				reached = reached || strings.HasPrefix(from, library)
				if !strings.HasPrefix(from, module) || strings.HasPrefix(from, module+"test/") {
					continue
				}
				require.Empty(t, path(imports, from, library, allowed, map[string]bool{}), "a way around the room")
			}
			// Without Go's json experiment Trivy is not built in at all.
			if !strings.Contains(library, "aquasecurity") {
				require.True(t, reached, "nothing reaches the library: the rule checks nothing")
			}
		})
	}
}

// A move to another Helm is to touch one package.
func TestHelmIsImportedByOnePackage(t *testing.T) {
	for from, direct := range packages(t) {
		if !strings.HasPrefix(from, module) || strings.HasPrefix(from, module+"test/") || from == module+"pkg/release" {
			continue
		}
		for _, next := range direct {
			require.False(t, strings.HasPrefix(next, "helm.sh/"), "%s imports %s", from, next)
		}
	}
}

// What is said about objects is computed from objects alone.
func TestObjectsAreComparedWithoutACluster(t *testing.T) {
	imports := packages(t)
	for _, name := range []string{"pkg/release/internal/manifest", "pkg/release/internal/objectdiff", "pkg/release/internal/verdict", "pkg/apierror", "pkg/workload"} {
		require.Contains(t, imports, module+name)
		for _, library := range []string{"helm.sh/", "k8s.io/client-go", "k8s.io/cli-runtime"} {
			require.Empty(t, path(imports, module+name, library, nil, map[string]bool{}), "it is to be pure")
		}
	}
}

func TestPlainPackagesDependOnLittleButTheStandardLibrary(t *testing.T) {
	imports := packages(t)
	for name, allowed := range map[string][]string{
		"pkg/text": nil, "pkg/files": nil, "pkg/record": nil, "pkg/redact": nil, "pkg/backstage": nil, "pkg/sensitive": nil, "pkg/migrations": nil,
		// HTML is read as browsers read it, in any encoding.
		"pkg/smoke": {module + "pkg/retry"}, "pkg/smoke/checks": nil, "pkg/smoke/expect": nil, "pkg/smoke/shown": nil, "pkg/smoke/form": {"github.com/agext/levenshtein"},
		"pkg/smoke/browser": {"golang.org/x/net/html", "golang.org/x/net/html/charset"},
	} {
		require.Contains(t, imports, module+name)
		for _, next := range imports[module+name] {
			outside := strings.Contains(strings.Split(next, "/")[0], ".")
			plain := slices.Contains([]string{module + "pkg/record", module + "pkg/redact", module + "pkg/text", module + "pkg/backstage"}, next)
			plain = plain || strings.HasPrefix(name, "pkg/smoke") && strings.HasPrefix(next, module+"pkg/smoke/")
			require.False(t, outside && !plain && !slices.Contains(allowed, next), "%s imports %s", name, next)
		}
	}
}

// rooms are the packages directly below pkg.
func rooms(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("../../pkg")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// One meets the rooms downwards: cmd, cli, pipeline, a stage, and what everybody may
// use.
func TestRoomsAreEnteredDownwardsOnly(t *testing.T) {
	imports := packages(t)
	allowed := map[string][]string{
		"cli":      {"pipeline", "config", "gha", "report"},
		"pipeline": slices.DeleteFunc(rooms(t), func(name string) bool { return name == "cli" || name == "pipeline" }),
	}
	for from, all := range imports {
		room, ours := strings.CutPrefix(from, module+"pkg/")
		if !ours {
			continue
		}
		room, _, _ = strings.Cut(room, "/")
		for _, next := range all {
			other, ours := strings.CutPrefix(next, module+"pkg/")
			other, _, _ = strings.Cut(other, "/")
			if !ours || other == room || slices.Contains(vocabulary, other) {
				continue
			}
			require.Contains(t, allowed[room], other, "%s imports pkg/%s", from, other)
		}
	}
	require.Equal(t, []string{module + "pkg/cli"}, slices.DeleteFunc(slices.Clone(imports[module+"cmd/stagecrew"]), func(next string) bool {
		return !strings.HasPrefix(next, module+"pkg/") || next == module+"pkg/process"
	}))
}

// What opens an image, keeps bombs away, bounds a scan and reads its log is tested
// without the scanner.
func TestOnlyTheScanItselfLinksTrivy(t *testing.T) {
	imports := packages(t)
	for name, below := range map[string][]string{"oci": {"bomb"}, "bomb": nil, "limits": nil, "trivylog": nil} {
		from := module + "pkg/scan/" + name
		require.Contains(t, imports, from)
		require.Empty(t, path(imports, from, "github.com/aquasecurity/", nil, map[string]bool{}))
		for _, next := range imports[from] {
			if room, inside := strings.CutPrefix(next, module+"pkg/scan/"); inside {
				require.Contains(t, below, room, "%s imports %s", from, next)
			}
		}
	}
}

// The rooms of a build are met once, downwards.
func TestTheRoomsOfABuildDoNotComeBack(t *testing.T) {
	imports := packages(t)
	for name, below := range map[string][]string{
		"": {"workspace", "layer", "tree", "buildkit"}, "/workspace": {"layer", "tree", "program"}, "/layer": {"tree"}, "/buildkit": {"program"},
		"/tree": nil, "/program": nil,
	} {
		require.Contains(t, imports, module+"pkg/build"+name)
		for _, next := range imports[module+"pkg/build"+name] {
			if room, inside := strings.CutPrefix(next, module+"pkg/build"); inside {
				require.Contains(t, below, strings.TrimPrefix(room, "/"), "pkg/build%s imports %s", name, next)
			}
		}
	}
}

// pure are the packages that judge what the watch of a rollout shows.
var pure = []string{"causes", "wording", "podstate", "cluster", "detect", "judge", "routes"}

// The judge of a rollout asks no API server, reads no clock and starts nothing.
func TestWhatJudgesARolloutIsPure(t *testing.T) {
	imports := packages(t)
	values := []string{"types", "labels", "util/intstr", "api/equality", "api/meta", "apis/meta/v1"}
	effects := []string{"context", "io", "log/slog", "net", "net/http", "os", "os/exec"}
	for _, name := range pure {
		from := module + "pkg/rollout/" + name
		require.Contains(t, imports, from)
		require.Empty(t, path(imports, from, "k8s.io/client-go", nil, map[string]bool{}))
		for _, next := range imports[from] {
			require.NotContains(t, effects, next, name)
			require.NotEqual(t, module+"pkg/rollout", next, name)
			machinery, ok := strings.CutPrefix(next, "k8s.io/apimachinery/pkg/")
			require.False(t, ok && !slices.Contains(values, machinery), "%s imports %s", from, next)
		}
	}
	timeless(t, "pkg/rollout/", pure)
}

// The rooms of the language of smoke checks are met once, downwards; none of them can
// send anything.
func TestTheLanguageOfSmokeChecksIsPure(t *testing.T) {
	imports := packages(t)
	effects := []string{"log/slog", "net", "net/http/httptrace", "crypto/tls", "os", "os/exec"}
	language := map[string][]string{"checks": {"expect", "form", "shown"}, "expect": {"form", "shown"}, "form": {"shown"}, "shown": nil, "browser": nil}
	for name, below := range language {
		require.Contains(t, imports, module+"pkg/smoke/"+name)
		for _, next := range imports[module+"pkg/smoke/"+name] {
			require.NotContains(t, effects, next, name)
			if room, inside := strings.CutPrefix(next, module+"pkg/smoke"); inside {
				require.Contains(t, below, strings.TrimPrefix(room, "/"), "pkg/smoke/%s imports %s", name, next)
			}
		}
	}
	timeless(t, "pkg/smoke/", slices.Collect(maps.Keys(language)))
}

// What a deployment decides by itself is computed from what was read.
func TestWhatADeploymentReadsIsJudgedWithoutACluster(t *testing.T) {
	imports := packages(t)
	below := []string{"revisions", "answers"}
	for _, name := range below {
		require.Contains(t, imports, module+"pkg/deploy/"+name)
		for _, next := range imports[module+"pkg/deploy/"+name] {
			require.NotContains(t, []string{"context", "log/slog", "net", "net/http", "os", module + "pkg/deploy"}, next, name)
		}
	}
	timeless(t, "pkg/deploy/", below)
}

// timeless requires that packages read no clock, start nothing and, with what they take
// from net/http, send nothing.
func timeless(t *testing.T, above string, names []string) {
	t.Helper()
	denied := map[string][]string{
		"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker"},
		"http": {"Client", "DefaultClient", "Transport", "DefaultTransport", "RoundTripper", "NewRequest", "NewRequestWithContext", "Get", "Head", "Post", "PostForm"},
	}
	seen := 0
	sources(t, func(file string, tree *ast.File) {
		room, ours := strings.CutPrefix(filepath.ToSlash(filepath.Dir(file)), above)
		if !ours || !slices.Contains(names, room) {
			return
		}
		seen++
		ast.Inspect(tree, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok {
				x, isName := selector.X.(*ast.Ident)
				require.False(t, isName && slices.Contains(denied[x.Name], selector.Sel.Name), "%s uses %s", file, selector.Sel.Name)
			}
			_, starts := n.(*ast.GoStmt)
			require.False(t, starts, "%s starts a goroutine", file)
			return true
		})
	})
	require.NotZero(t, seen)
}
