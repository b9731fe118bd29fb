package release

import (
	"fmt"
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

// As of Helm's --history-max: "Use 0 for no limit".
func TestPrune_ZeroKeepsAll(t *testing.T) {
	r, _ := open(t)
	r.HistoryMax = 0
	for i := 1; i <= 22; i++ {
		apply(t, r, fmt.Sprint("v", i))
		require.NoError(t, r.Mark(t.Context(), i, record.MarkBad))
	}
	require.NoError(t, r.Prune(t.Context()))
	history, err := r.History(t.Context())
	require.NoError(t, err)
	require.Len(t, history, 22) // the default is 20
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
