package archtest

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestACodeOfAnotherRoomIsComparedByItsName: who gives such a code another text gives it to
// those that go by it, too.
func TestACodeOfAnotherRoomIsComparedByItsName(t *testing.T) {
	code := codeForm(t)
	compared := 0
	sources(t, func(file string, tree *ast.File) {
		check := func(all ...ast.Expr) {
			for _, one := range all {
				literal, ok := one.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					continue
				}
				text, _ := strconv.Unquote(literal.Value)
				if room, _, _ := strings.Cut(text, "/"); code.MatchString(text) {
					compared++
					require.Equal(t, roomOf(file), room, "%s compares with the text of %s: give it a name where it is made, or in pkg/record", file, text)
				}
			}
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if n.Op == token.EQL || n.Op == token.NEQ {
					check(n.X, n.Y)
				}
			case *ast.CaseClause:
				check(n.List...)
			}
			return true
		})
	})
	require.NotZero(t, compared, "no code is compared: the rule checks nothing")
}
