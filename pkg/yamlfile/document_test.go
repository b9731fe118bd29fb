package yamlfile

import (
	"strings"
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

// A tag that no parser knows is no part of the value, and is taken by all of them without a
// word (buildkite/agent#1281, #1283; kislyuk/yq#23, datafolklabs/cement#546).
func TestDocument_TagsOfNobodyAreNamed(t *testing.T) {
	for content, want := range map[string]string{
		"branch: !master":                      "line 1: key branch: the tag !master is not known here",
		"a: 1\nb:\n  - c\n  - !Ref d\n":        "line 4: key b: the tag !Ref is",
		"a: !vault |\n  x\n":                   "key a: the tag !vault is",
		"a: {b: [{c: !reference [d, e]}]}":     "key c: the tag !reference is",
		"!x a: b":                              "key a: the tag !x is",
		"--- !app\na: b":                       "line 1: the tag !app is",
		"%TAG ! tag:a.b,2002:\n--- \na: !c d":  "key a: the tag tag:a.b,2002:c is",
		"a: !!python/object/new:os.system [x]": "key a: the tag !!python/object/new:os.system is",
		"a: &x !env b\nc: *x":                  "line 1: key a: the tag !env is",
	} {
		_, err := Document([]byte(content))
		require.ErrorIs(t, err, ErrUncounted, content)
		require.NotErrorIs(t, err, ErrSeveral, content)
		require.ErrorContains(t, err, want, content)
	}
	for _, content := range []string{"a: !!str 1", "a: ! b", "a: !<tag:yaml.org,2002:int> 1", "a: !!binary d2Vi", "a: !!map {b: !!seq [!!null ]}", "a: '!vault x'\nb: |\n  !secret y\n", "a: &b {c: d}\ne:\n  <<: *b\n"} {
		_, err := Document([]byte(content))
		require.NoError(t, err, content)
	}
	_, err := Document([]byte(strings.Repeat("- !x\n", 1000)))
	require.ErrorContains(t, err, "and 980 more of this kind")
}
