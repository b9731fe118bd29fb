package archtest

import (
	"fmt"
	"go/ast"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// vocabulary are the rooms that everybody may use: one knows them before one reads on.
var vocabulary = []string{"record", "redact", "text", "files", "yamlfile", "retry", "body", "registry", "apierror", "events", "backstage", "sensitive", "migrations", "workload"}

// elsewhere are what begins other commands than run.
var elsewhere = map[string][]string{
	"pkg/pipeline": {"initStage", "gateStage", "rollbackStage", "recoverStage", "smokeStage", "statusStage", "promoteStage", "validateStage", "migrationsStage"},
	"pkg/cli":      {"reportCommand", "versionCommand"},
}

// because are the ways back that the order of a run has: nothing else counts as one.
// A line may stand here that is not needed just now; it goes when the rooms part.
var because = map[string]string{
	"cli → gha":            "the end is told in an annotation",
	"cli → report":         "evidence is kept while it runs, the record is written at the end",
	"cli → pipeline":       "where settings are wrong, its stages say what else is",
	"pipeline → database":  "settings of dumps are checked before anything is asked",
	"pipeline → preflight": "what a workload says of its databases is read before its image is compared",
	"pipeline → deploy":    "which revision is live is asked before that, too",
	"pipeline → report":    "a scan leaves files, a deploy a comment",
	"pipeline → rollout":   "what pods show is judged by rules that were read before",
	"pipeline → sign":      "key, signature, verification and verdict have their stages",
	"pipeline → tags":      "the version is read before the build, tags move at the end",
}

// reader follows a run as docs/architecture.md says: from main, each function where it
// is named first, and at once what that names in turn. A method stands for all of its
// name in its package and in those of its room that its file imports: what implements an
// interface elsewhere is not followed.
type reader struct {
	functions map[string]map[string][]*declared // by package, then name, of a method with a dot
	read      map[*declared]bool
	left      map[string]bool // rooms that were read and left
	last      string          // the one of them that was left last
	returns   []back
}

// back is a way into a room that was read and left for another.
type back struct{ ways, function string }

// declared is a function and where it stands.
type declared struct {
	in, file, name string
	body           *ast.BlockStmt
	imports        map[string]string // the packages of ours that its file names
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{functions: map[string]map[string][]*declared{}, read: map[*declared]bool{}, left: map[string]bool{}}
	sources(t, func(file string, tree *ast.File) {
		in, imports := filepath.ToSlash(filepath.Dir(file)), imported(tree)
		if r.functions[in] == nil {
			r.functions[in] = map[string][]*declared{}
		}
		for _, one := range tree.Decls {
			f, ok := one.(*ast.FuncDecl)
			if !ok || f.Body == nil || slices.Contains(elsewhere[in], f.Name.Name) {
				continue
			}
			name := f.Name.Name
			if f.Recv != nil {
				name = "." + name
			}
			r.functions[in][name] = append(r.functions[in][name], &declared{in, filepath.ToSlash(file), f.Name.Name, f.Body, imports})
		}
	})
	return r
}

// imported are the packages of ours that a file imports, by the names that they have there.
func imported(tree *ast.File) map[string]string {
	all := map[string]string{}
	for _, spec := range tree.Imports {
		of, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module)
		name := of[strings.LastIndex(of, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if ours && !slices.Contains(vocabulary, roomOf(of)) {
			all[name] = of
		}
	}
	return all
}

// roomOf is the package directly below pkg that a package is or belongs to.
func roomOf(in string) string {
	room, _, _ := strings.Cut(strings.TrimPrefix(in, "pkg/"), "/")
	return room
}

// follow reads all functions of a name that were not read yet.
func (r *reader) follow(from *declared, in, name string) {
	for _, f := range r.functions[in][name] {
		if r.read[f] {
			continue
		}
		r.read[f] = true
		room := roomOf(f.in)
		other := roomOf(from.in) != room
		if other && r.left[room] && r.last != room {
			r.returns = append(r.returns, back{roomOf(from.in) + " → " + room, fmt.Sprintf("%s of %s names %s of %s", from.name, from.file, f.name, f.file)})
		}
		ast.Inspect(f.body, func(n ast.Node) bool { return r.names(f, n) })
		if other {
			r.left[room], r.last = true, room
		}
	}
}

// names follows what a part of a function names.
func (r *reader) names(f *declared, n ast.Node) bool {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok && f.imports[x.Name] != "" {
			r.follow(f, f.imports[x.Name], n.Sel.Name)
			return false
		}
		ast.Inspect(n.X, func(n ast.Node) bool { return r.names(f, n) })
		r.follow(f, f.in, "."+n.Sel.Name)
		for _, of := range slices.Sorted(maps.Values(f.imports)) {
			if roomOf(of) == roomOf(f.in) {
				r.follow(f, of, "."+n.Sel.Name)
			}
		}
		return false
	case *ast.Ident:
		r.follow(f, f.in, n.Name)
	}
	return true
}

// TestARunIsReadDownwards: who follows `stagecrew run` comes back into no room that he
// has left for another, but where the order of the run is such.
func TestARunIsReadDownwards(t *testing.T) {
	r := newReader(t)
	for in := range elsewhere {
		require.NotEmpty(t, r.functions[in])
	}
	r.follow(&declared{}, "cmd/stagecrew", "main")
	for _, room := range []string{"cli", "config", "pipeline", "build", "scan", "sign", "deploy", "release", "rollout", "smoke", "report"} {
		require.True(t, r.left[room], "it was not found at all: %s", room)
	}
	for _, back := range r.returns {
		if because[back.ways] == "" {
			t.Errorf("%s: a reader of a run comes back into a room that he has left. Let it be called where the room is read, or write into because of internal/archtest/reading_test.go:\n\t%q: \"why the order of a run is such\",", back.function, back.ways)
		}
	}
	for ways := range because {
		from, to, _ := strings.Cut(ways, " → ")
		require.True(t, r.uses(from, to), "%s does not name %s any more: take the line out of because of internal/archtest/reading_test.go", from, to)
	}
	t.Logf("%d functions, %d rooms, %d returns", len(r.read), len(r.left), len(r.returns))
}

// uses reports whether any function of a room is in a file that imports the other, in
// whichever order they are read.
func (r *reader) uses(from, to string) bool {
	for in, functions := range r.functions {
		if roomOf(in) != from {
			continue
		}
		for _, all := range functions {
			if slices.ContainsFunc(all, func(f *declared) bool {
				return slices.ContainsFunc(slices.Collect(maps.Values(f.imports)), func(of string) bool { return roomOf(of) == to })
			}) {
				return true
			}
		}
	}
	return false
}
