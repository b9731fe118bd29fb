package objectdiff

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnifiedDiffs(t *testing.T) {
	number := func(from, to int) string {
		var b strings.Builder
		for i := from; i <= to; i++ {
			fmt.Fprintf(&b, "%d\n", i)
		}
		return b.String()
	}
	for name, c := range map[string]struct{ before, after, want string }{
		"equal":        {"a\n", "a\n", ""},
		"from nothing": {"", "a\nb\n", "--- x\n+++ y\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		"to nothing":   {"a\n", "", "--- x\n+++ y\n@@ -1,1 +0,0 @@\n-a\n"},
		"in the middle": {
			number(1, 20), strings.Replace(number(1, 20), "10\n", "ten\n", 1),
			"--- x\n+++ y\n@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n",
		},
		"two places that are far apart": {
			number(1, 20), strings.Replace(strings.Replace(number(1, 20), "2\n", "", 1), "19\n", "", 1),
			"--- x\n+++ y\n@@ -1,5 +1,4 @@\n 1\n-2\n 3\n 4\n 5\n@@ -16,5 +15,4 @@\n 16\n 17\n 18\n-19\n 20\n",
		},
		"moved lines": {"a\nb\nc\n", "c\na\nb\n", "--- x\n+++ y\n@@ -1,3 +1,3 @@\n+c\n a\n b\n-c\n"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, unified("x", "y", c.before, c.after)) })
	}
}
