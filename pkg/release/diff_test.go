package release

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestDiffComparesRevisionsWithoutSecrets(t *testing.T) {
	r, _ := open(t)
	r.Chart = chartOf(t, withSecret+`---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ if contains "one" .Values.image.repository }}old{{ else }}new{{ end }}}
data: {image: {{ .Values.image.repository }}, same: line}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: {{ if contains "one" .Values.image.repository }}1{{ else }}2{{ end }}}], clusterIP: None, externalName: b, selector: {x: "1"}, sessionAffinity: None}
`)
	apply(t, r, "one")
	apply(t, r, "two")
	diff, err := r.Diff(t.Context(), 1, 2)
	require.NoError(t, err)
	require.Contains(t, diff, "--- Service/web (revision 1)\n+++ Service/web (revision 2)\n@@ -6,7 +6,7 @@\n   clusterIP: None\n   externalName: b\n   ports:\n-  - port: 1\n+  - port: 2\n   selector:\n     x: \"1\"\n   sessionAffinity: None\n")
	require.Contains(t, diff, "-  name: old\n")
	require.Contains(t, diff, "+  name: new\n")
	require.Contains(t, diff, "-  password: (withheld)\n+  password: (withheld, changed)\n")
	require.NotContains(t, diff, "registry.test/")
	same, err := r.Diff(t.Context(), 2, 2)
	require.NoError(t, err)
	require.Empty(t, same)
	all, err := r.Diff(t.Context(), 0, 1)
	require.NoError(t, err)
	require.Contains(t, all, "+  password: (withheld)\n")
	require.NotContains(t, all, "\n-  ")

	secrets, err := r.Secrets(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, []string{"registry.test/one"}, secrets)
}

func TestSecretsAreDecodedAndLongestFirst(t *testing.T) {
	values := secretValues(`apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, data: {a: aHVudGVyMg==, b: c2hvcnQ=, c: "not base64 at all"}}
- {apiVersion: v1, kind: ConfigMap, data: {a: plain text}}
`, "apiVersion: v1\nkind: Secret\nstringData: {d: \"hunter2 and more\", n: 1234567}\n", ": no yaml")
	require.Equal(t, []string{"not base64 at all", "hunter2 and more", "aHVudGVyMg==", "c2hvcnQ=", "1234567", "hunter2", "short"}, values)
}

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

func TestOldRecordsGoButNoneThatARollbackMayNeed(t *testing.T) {
	r, _ := open(t)
	r.HistoryMax = 2
	for i := 1; i <= 5; i++ {
		apply(t, r, fmt.Sprint("v", i))
		if i <= 4 {
			require.NoError(t, r.Mark(t.Context(), i, map[bool]record.Mark{true: record.MarkGood, false: record.MarkBad}[i != 3]))
		}
	}
	numbers := func() (result []int) {
		history, err := r.History(t.Context())
		require.NoError(t, err)
		for _, revision := range history {
			result = append(result, revision.Number)
		}
		return result
	}
	require.Equal(t, []int{5, 4, 3, 2, 1}, numbers(), "1, 2 and 4 are the good ones; 3 was among the newest two")
	require.NoError(t, r.Mark(t.Context(), 5, record.MarkGood))
	require.Equal(t, []int{5, 4, 2}, numbers())
}

func TestDeployedAndPendingRecordsAreNeverPruned(t *testing.T) {
	stored := func(version int, status helmrelease.Status) *helmrelease.Release {
		return &helmrelease.Release{Version: version, Info: &helmrelease.Info{Status: status}}
	}
	old := superfluous([]*helmrelease.Release{
		stored(1, helmrelease.StatusSuperseded), stored(2, helmrelease.StatusDeployed), stored(3, helmrelease.StatusPendingUpgrade),
		stored(4, helmrelease.StatusFailed), stored(5, helmrelease.StatusFailed),
	}, nil, 1)
	require.Len(t, old, 2)
	require.Equal(t, 1, old[0].Version)
	require.Equal(t, 4, old[1].Version)
}
