package deploy

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestBeforeAChangeTheResultSaysWhatARollbackFromItNeeds(t *testing.T) {
	f := installed(t, "fine", "better")
	f.migrations = &record.Migrations{Rollback: record.RollbackNeedsDatabase, Why: "the catalog adds one"}
	live := f.history[0].Image
	result := f.deploy(t, "good")
	require.Equal(t, record.Migrations{Rollback: record.RollbackNeedsDatabase, Why: "the catalog adds one", From: live, To: image("good").Image().String()}, *result.Migrations)

	live = f.history[0].Image
	result, err := Rollback(t.Context(), revisions.RollbackTo{Revision: 1}, f.options())
	require.NoError(t, err)
	require.Equal(t, live, result.Migrations.From)
	require.Equal(t, result.Image.String(), result.Migrations.To)
}

func TestAFirstInstallHasNothingToGoBackTo(t *testing.T) {
	f := installed(t)
	f.migrations = &record.Migrations{Rollback: record.RollbackFree}
	require.Nil(t, f.deploy(t, "fine").Migrations)
}
