package report

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestEveryOutputIsSetWhenThereIsSomethingToSay(t *testing.T) {
	full := record.Record{
		Verdict: record.VerdictRolledBack, Image: record.Image{Repository: "r.test/a", Digest: "sha256:aa"},
		Release: &record.Release{Revision: 3, RollbackTarget: 2, Live: 4}, Scan: &record.ScanReport{}, Migrations: &record.Migrations{Rollback: record.RollbackFree},
		Cause: &record.Cause{Code: "rollout/image-not-found"}, Evidence: []string{"logs.txt"},
		Tags: []record.MovedTag{{Tag: "1", Here: true}},
	}
	set := map[string]string{}
	for _, o := range Set(full, Paths{"record.json", "evidence"}) {
		require.NotContains(t, set, o[0], "set twice")
		set[o[0]] = o[1]
	}
	for _, o := range Outputs() {
		require.NotEmpty(t, set[o.Name], o.Name)
		require.NotEmpty(t, o.Meaning, o.Name)
	}
	require.Len(t, set, len(Outputs()))
	require.Equal(t, "evidence", set["evidence"])
	require.Equal(t, "0", set["critical"], "none is a number")
}

func TestWhatARunDoesNotKnowIsNoOutput(t *testing.T) {
	require.Equal(t, [][2]string{{"verdict", "ok"}}, Set(record.Record{Verdict: record.VerdictOK}, Paths{Evidence: "evidence"}))
}

// promised are the outputs that workflows of others read: a release may add to them, and
// takes none away ("What stays the same within a major version" in CHANGELOG.md).
var promised = []string{"image", "digest", "verdict", "revision", "previous-good", "live-revision", "cause-code", "cause", "evidence", "rollback",
	"tags", "blocking", "critical", "high", "medium", "low", "unknown", "record"}

func TestOutputs_NoneThatWasPromisedIsGone(t *testing.T) {
	var names []string
	for _, o := range Outputs() {
		names = append(names, o.Name)
	}
	require.Subset(t, names, promised)
}
