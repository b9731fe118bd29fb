package yamlfile

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a reader of one document leaves out is said; what is empty may stand behind it, as
// generators write it (olitheolix/square#86, kubernetes-sigs/kwok#344).
func TestDocument_OneDocumentCounts(t *testing.T) {
	for content, want := range map[string]string{
		"":                           "",
		"# a remark\n":               "",
		"a: b\n":                     "a",
		"---\na: b\n...\n":           "a",
		"a: b\n---\n":                "a",
		"a: b\n---\n# a remark\n---": "a",
	} {
		node, err := Document([]byte(content))
		require.NoError(t, err, content)
		got := ""
		if len(node.Content) > 0 {
			got = node.Content[0].Content[0].Value
		}
		require.Equal(t, want, got, content)
	}
	for content, want := range map[string]string{
		"a: b\n---\na: c\n":    "several documents",
		"---\n---\na: b\n":     "several documents",
		"a: b\n---\n\ta: c\n":  "line 3 begins with a tab",
		"a: b\n---\n---\nc:\n": "several documents",
	} {
		_, err := Document([]byte(content))
		require.ErrorContains(t, err, want, content)
	}
}
