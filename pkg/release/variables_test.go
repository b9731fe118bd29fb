package release

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// What a rollback gives the containers stands in Helm's record: it is no drift, and the
// next deploy of the chart takes it away.
func TestARollbackMayGiveContainersVariables(t *testing.T) {
	r, _ := open(t)
	apply(t, r, "one")
	require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
	apply(t, r, "two")
	applied, err := r.Rollback(t.Context(), 1, map[string]string{"SKIPS": "true"})
	require.NoError(t, err)
	require.Equal(t, 1, applied.Revision.Origin)
	drift, err := r.Drift(t.Context(), applied.Revision.Number)
	require.NoError(t, err)
	require.Empty(t, drift)
	diff, err := r.Diff(t.Context(), 1, applied.Revision.Number)
	require.NoError(t, err)
	require.Contains(t, diff, "SKIPS")
	require.NoError(t, r.Mark(t.Context(), applied.Revision.Number, record.MarkGood))

	apply(t, r, "three")
	diff, err = r.Diff(t.Context(), 1, 4)
	require.NoError(t, err)
	require.NotContains(t, diff, "SKIPS")
}
