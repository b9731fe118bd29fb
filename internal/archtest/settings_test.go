package archtest

import (
	"cmp"
	"go/ast"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
)

// A setting that is declared and read by nobody would stand in every action and do nothing.
func TestEverySettingIsReadSomewhere(t *testing.T) {
	settings, groups := declaredSettings(reflect.TypeFor[config.Settings]())
	require.Greater(t, len(settings), 100)
	read := readSettings(t, groups)
	read["Config"] = true // by pkg/config itself
	for name, called := range settings {
		require.True(t, read[name], "nothing reads the setting %s: %s of a parameter, field or variable of a type of pkg/config", called, name)
	}
}

// declaredSettings gives the name of each setting's field, with what users call it, and the
// fields that are groups of settings.
func declaredSettings(of reflect.Type) (settings map[string]string, groups map[string]bool) {
	settings, groups = map[string]string{}, map[string]bool{}
	for i := range of.NumField() {
		field := of.Field(i)
		called := cmp.Or(field.Tag.Get("name"), field.Tag.Get("variable"))
		if called != "" {
			settings[field.Name] = called
			continue
		}
		if field.Type.Kind() != reflect.Struct {
			settings[field.Name] = field.Name + ", which has no name" // and so nobody can give it
			continue
		}
		groups[field.Name], groups[field.Type.Name()] = true, true
		within, more := declaredSettings(field.Type)
		maps.Copy(settings, within)
		maps.Copy(groups, more)
	}
	return settings, groups
}

// readSettings are the fields that are selected from what holds settings, outside of
// pkg/config: a variable or field of that type, or a group of one. A field of this name of
// anything else is not counted.
func readSettings(t *testing.T, groups map[string]bool) map[string]bool {
	t.Helper()
	packages := map[string][]*ast.File{}
	sources(t, func(file string, tree *ast.File) {
		if in := filepath.ToSlash(filepath.Dir(file)); in != "pkg/config" {
			packages[in] = append(packages[in], tree)
		}
	})
	read := map[string]bool{}
	for _, files := range packages {
		fields := holders{groups: groups, embedding: map[string]bool{}, names: map[string]bool{}}
		each := func(visit func(ast.Decl)) {
			for _, file := range files {
				for _, one := range file.Decls {
					visit(one)
				}
			}
		}
		each(func(d ast.Decl) {
			if _, isFunction := d.(*ast.FuncDecl); !isFunction {
				ast.Inspect(d, fields.declare)
			}
		})
		each(func(d ast.Decl) {
			local := fields
			local.names = maps.Clone(fields.names)
			ast.Inspect(d, local.declare)
			ast.Inspect(d, func(n ast.Node) bool {
				if selector, ok := n.(*ast.SelectorExpr); ok && local.has(selector.X) {
					read[selector.Sel.Name] = true
				}
				return true
			})
		})
	}
	return read
}

// holders are what holds settings, as one declaration of a package sees it.
type holders struct {
	groups    map[string]bool // types of groups, and fields of them in others
	embedding map[string]bool // types of the package that embed one
	names     map[string]bool // fields of its types, parameters and variables
}

// isType reports whether an expression is the type of a group, of all, or of what embeds one.
func (h holders) isType(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.StarExpr:
		return h.isType(e.X)
	case *ast.Ident:
		return h.embedding[e.Name]
	case *ast.SelectorExpr:
		x, ok := e.X.(*ast.Ident)
		return ok && x.Name == "config" && (e.Sel.Name == "Settings" || h.groups[e.Sel.Name])
	}
	return false
}

// has reports whether an expression is of that type.
func (h holders) has(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return h.names[e.Name]
	case *ast.SelectorExpr:
		return h.names[e.Sel.Name] || h.groups[e.Sel.Name] && h.has(e.X)
	}
	return false
}

// declare learns names.
func (h holders) declare(n ast.Node) bool {
	learn := func(name *ast.Ident, holds bool) { h.names[name.Name] = h.names[name.Name] || holds }
	switch n := n.(type) {
	case *ast.TypeSpec:
		if s, ok := n.Type.(*ast.StructType); ok {
			h.embedding[n.Name.Name] = slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool { return len(f.Names) == 0 && h.isType(f.Type) })
		}
	case *ast.Field:
		for _, name := range n.Names {
			learn(name, h.isType(n.Type))
		}
	case *ast.ValueSpec:
		for _, name := range n.Names {
			learn(name, h.isType(n.Type))
		}
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			if name, ok := left.(*ast.Ident); ok && len(n.Rhs) == len(n.Lhs) {
				learn(name, h.has(n.Rhs[i]))
			}
		}
	}
	return true
}
