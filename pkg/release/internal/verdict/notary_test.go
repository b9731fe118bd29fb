package verdict

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// What a version of stagecrew wrote every later one must read: neither the digest nor
// the MAC of a record may change.
func TestNotary_State_WritesWhatEarlierVersionsWrote(t *testing.T) {
	stored := Record{
		Namespace: "portal", Name: "backstage", Number: 7, Chart: "portal-1.2.3", Manifest: "---\nkind: ConfigMap\n",
		Values: map[string]any{"replicas": 2, "image": map[string]any{"repository": "r.test/a"}},
		Labels: map[string]string{"team": "a", labelWhen: "x"},
		Hooks: []Hook{
			{Kind: "Job", Name: "migrate", Path: "t/m.yaml", Manifest: "kind: Job", Weight: -5, Events: []string{"pre-upgrade"}, Deletes: []string{"before-hook-creation"}},
			{Kind: "Job", Name: "b", Deletes: []string{"hook-succeeded"}},
		},
	}
	n, said := Notary{[]byte("0123456789abcdef")}, Statement{Mark: record.MarkGood, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Origin: 3}
	before := stored.Labels
	stored.Labels = n.State(stored, said)
	require.Equal(t, map[string]string{
		"team": "a", "stagecrew.dev/verdict": "good", "stagecrew.dev/verdict-at": "20260102T030405Z", "stagecrew.dev/verdict-of": "7", "stagecrew.dev/copy-of": "3",
		"stagecrew.dev/manifest":    "lgd53jpsxd2ngniuvwppspfimwdjundrt2mizkgeuxgi55wyjxoq",
		"stagecrew.dev/verdict-mac": "okl6yzvkhcanxb3rkgzszuxqpe6wgbb2untqr2gwatoqfkbxjaoq",
	}, stored.Labels)
	require.Equal(t, map[string]string{"team": "a", labelWhen: "x"}, before, "the record's own labels stay until it is stored")

	require.Equal(t, said, n.Read(stored))
	require.NoError(t, n.Check(stored))
	require.True(t, n.Made(stored))
	require.False(t, Notary{[]byte("fedcba9876543210")}.Made(stored))
	stored.Manifest += "kind: ClusterRoleBinding\n"
	require.Equal(t, Statement{Changed: true}, n.Read(stored))
	require.ErrorContains(t, n.Check(stored), "[release/target-changed]")
}
