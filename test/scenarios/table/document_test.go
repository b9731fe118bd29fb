package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

func TestTheDocumentIsMadeOfTheResults(t *testing.T) {
	dir := t.TempDir()
	for _, r := range []result.Result{
		{Group: result.Failing, Name: "second", Order: 2, Exit: 5, Verdict: "needs-human", Problem: "exit 5"},
		{Group: result.Failing, Name: "first", Order: 1, Exit: 4, Verdict: "rolled-back", Cause: "Pod/x: a | b\n`c`", Decided: 3.21, Seconds: 5},
		{Group: result.Helm, Name: "first", Exit: 1, Seconds: 60.4, Verdict: "deployed", End: "release 1", Cause: "deadline"},
		{Group: result.Reported, Name: "a thing", Source: "helm/helm#1", Verdict: "good", End: "good (exit 0), good (exit 0)"},
		{Group: result.HelmReported, Name: "a thing", Exit: 1, Verdict: "failed", End: "nothing", Cause: "deadline"},
		{Group: result.Random, Name: "run 1", Verdict: "good", Seconds: 2, End: "release 2"},
		{Group: result.HelmRandom, Name: "run 1", Exit: 1, Verdict: "pending-upgrade", End: "release 1"},
		{Group: result.Speed, Name: "missing image", Values: []float64{9, 1, 5}, Limit: 10},
	} {
		require.NoError(t, r.Save(dir))
	}
	var out strings.Builder
	require.NoError(t, run([]string{dir}, &out))
	require.Contains(t, out.String(), "last good release serves | 1 of 2 |")
	first := "| first | rolled-back (exit 4) | `Pod/x: a \\| b 'c'` | 3.2 | 5.0 | 60.4 s, exit 1, deployed, release 1 | `deadline` |\n"
	require.Contains(t, out.String(), first+"| **NOT AS IT SHOULD BE:** second | needs-human (exit 5) |")
	require.Contains(t, out.String(), "| a thing | helm/helm#1 | good (exit 0), good (exit 0) |  | exit 1, failed, nothing | `deadline` |\n")
	require.Contains(t, out.String(), "Of helm's 1 releases 1 were left pending")
	require.Contains(t, out.String(), "| missing image | 5.0 | 10.0 | 9.00, 1.00, 5.00 |")
}

func TestWithoutResultsThereIsNoDocument(t *testing.T) {
	require.ErrorContains(t, run([]string{t.TempDir()}, &strings.Builder{}), "no results")
	require.Error(t, run(nil, &strings.Builder{}))
}
