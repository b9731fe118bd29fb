package archtest

import (
	"go/ast"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
)

// A setting that is declared and read by nobody would stand in every action and do nothing.
func TestEverySettingIsReadSomewhere(t *testing.T) {
	read := map[string]bool{"Config": true} // by pkg/config itself
	sources(t, func(file string, tree *ast.File) {
		ast.Inspect(tree, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok && !strings.HasPrefix(file, "pkg/config/") {
				read[selector.Sel.Name] = true
			}
			return true
		})
	})
	settings := 0
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Settings]()) {
		if field.Anonymous || field.Tag.Get("name") == "" {
			continue
		}
		settings++
		require.True(t, read[field.Name], "nothing reads the setting --%s", field.Tag.Get("name"))
	}
	require.Greater(t, settings, 50)
}
