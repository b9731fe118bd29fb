package manifest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzSplit reads what a chart may render, and what anybody who may write Helm's
// records can put there.
func FuzzSplit(f *testing.F) {
	f.Add("---\n# Source: web/templates/a.yaml\nkind: Service\napiVersion: v1\nmetadata: {name: web}\n---\n\n---\nkind: List\nitems: [{kind: A}]")
	f.Add("a: |\n  x\n--- \n---b: 1\r\n---\r\n\xff")
	f.Add("kind: List\napiVersion: v1\nitems: [1]")
	f.Fuzz(func(t *testing.T, text string) {
		length := 0
		for _, document := range Split(text) {
			require.Equal(t, strings.TrimSpace(document), document)
			require.Contains(t, text, document)
			length += len(document)
		}
		require.LessOrEqual(t, length, len(text))
		objects, err := Objects(text)
		if err != nil {
			require.Empty(t, objects)
		}
		Describe(objects, objects, "portal")
		Contradictions(text, "portal")
		UnknownHooks(text)
		Random(text, text)
		CRDs(text)
		for _, object := range objects {
			SecretNames(object)
			Irreversible(object, object)
		}
	})
}
