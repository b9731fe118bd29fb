package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestACommentShowsWhatWouldChangeAndTheConcerns(t *testing.T) {
	text := Comment(record.Record{
		Command: "deploy", Verdict: record.VerdictOK, Release: &record.Release{Name: "web", Namespace: "prod", Live: 3},
		Concerns: []record.Concern{{Code: "preflight/no-memory-limit", Message: "no limit"}},
		Changes:  []record.Change{{Object: "Deployment/web", Action: record.ActionUpdate, Diff: "-  replicas: 1\n+  replicas: 2\n"}, {Object: "PVC/data", Action: record.ActionDelete, OneWay: "its data is lost"}},
	}, 60000)
	for _, part := range []string{"nothing was changed; revision 3 is live", "| Deployment/web | update |  |", "| PVC/data | delete | its data is lost |", "no limit", "<details><summary>Deployment/web (update)</summary>", "+  replicas: 2"} {
		require.Contains(t, text, part)
	}
}

// A long plan is cut, and says so (borchero/terraform-plan-comment#25,
// hashicorp/terraform-cdk-action#150, dflook/terraform-github-actions#197).
func TestACommentIsCutBetweenChangesAndSaysSo(t *testing.T) {
	var r record.Record
	for range 40 {
		r.Changes = append(r.Changes, record.Change{Object: "ConfigMap/a", Action: record.ActionUpdate, Diff: strings.Repeat("+ line\n", 400)})
	}
	text := Comment(r, 20000)
	require.LessOrEqual(t, len(text), 20000)
	require.Greater(t, len(text), 15000)
	require.Equal(t, strings.Count(text, "<details>"), strings.Count(text, "</details>"), "none is cut in two")
	require.Contains(t, text, "all of 40 changes")
}

func TestACommentWithNothingToTellSaysSo(t *testing.T) {
	require.Contains(t, Comment(record.Record{Verdict: record.VerdictOK}, 1000), "Nothing.")
	require.NotContains(t, Comment(record.Record{Verdict: record.VerdictRefused}, 1000), "Nothing.")
}

func TestADiffInACommentCallsNobodyAndEndsNothing(t *testing.T) {
	text := Comment(record.Record{Changes: []record.Change{{Object: "ConfigMap/a", Action: record.ActionUpdate, Diff: "+ </pre></details><img src=x> @org/team\n"}}}, 60000)
	require.NotContains(t, text, "<img")
	require.Equal(t, 1, strings.Count(text, "</pre>"))
}
