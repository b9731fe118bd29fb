package pipeline

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// notOfADeployment are the fields of the record that others write.
var notOfADeployment = []string{"Schema", "Command", "Run", "Built", "Tags", "Scan", "Sights", "Reason", "Dump", "Panics", "LooksOnly", "Error", "ErrorCode"}

// A field of the record is either one that arrives from a deployment, or one that package
// deploy does not touch.
func TestFill_WhatADeploymentSetsArrives(t *testing.T) {
	var result, r record.Record
	whole := reflect.ValueOf(&result).Elem()
	for i := range whole.NumField() {
		set(t, whole.Field(i))
	}
	fill(&r, nil, result)
	for i := range whole.NumField() {
		name := whole.Type().Field(i).Name
		arrived := reflect.ValueOf(r).Field(i)
		if slices.Contains(notOfADeployment, name) {
			require.True(t, arrived.IsZero(), "%s is another's", name)
			continue
		}
		require.Equal(t, whole.Field(i).Interface(), arrived.Interface(), "%s is lost", name)
	}
	for _, name := range touched(t, "../deploy") {
		require.NotContains(t, notOfADeployment, name, "package deploy sets it, and it is lost")
	}
}

// set gives a field some value.
func set(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Struct:
		set(t, v.Field(0))
	case reflect.String:
		v.SetString("x")
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.Bool:
		v.SetBool(true)
	default:
		require.Fail(t, "no value for a "+v.Kind().String())
	}
}

// touched are the fields of what is called result in a package.
func touched(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(tree, func(n ast.Node) bool {
			field, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if of, ok := field.X.(*ast.SelectorExpr); ok && of.Sel.Name == "result" {
				names = append(names, field.Sel.Name)
			}
			return true
		})
	}
	require.Contains(t, names, "Verdict")
	return names
}
