package deploy

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// migrating is a cluster whose live release is good, with a policy.
func migrating(t *testing.T) (*fakeCluster, Options) {
	t.Helper()
	f := installed(t, "fine")
	f.state = &record.DatabaseState{}
	f.on = func(what string) {
		if what == "apply" {
			f.state = applies()
		}
	}
	o := f.options()
	o.OnMigrated = record.MigratedDown
	return f, o
}

func TestAPolicyTakesMigrationsOutOfTheWayOfARollback(t *testing.T) {
	f, o := migrating(t)
	result, err := Deploy(t.Context(), image("crash+schema"), o)
	require.NoError(t, err)
	require.Equal(t, record.VerdictRolledBack, result.Verdict)
	require.Subset(t, f.calls, []string{"prepare", "announce", "undo", "rollback", "prove"})
	require.Less(t, slices.Index(f.calls, "prepare"), slices.Index(f.calls, "apply"))
	require.Less(t, slices.Index(f.calls, "undo"), slices.Index(f.calls, "rollback"))
	require.True(t, result.Undo.Done)
	require.Equal(t, record.MigratedDown, result.Undo.Policy)
	require.Equal(t, "takes 3_b.js back", result.Undo.Plan)
	require.Len(t, result.Undo.Out, 3)
}

func TestWhatAPolicyCannotDoStaysWhereItIs(t *testing.T) {
	for name, c := range map[string]struct {
		what, says string
		left       []record.AppliedMigration
	}{
		"it may not be done":  {"announce", "--on-migrated migrate-down is not possible: no", nil},
		"it fails in between": {"undo", "migrate-down failed: no", down[1:]},
	} {
		t.Run(name, func(t *testing.T) {
			f, o := migrating(t)
			f.errs[c.what] = errors.New("no")
			result, err := Deploy(t.Context(), image("crash+schema"), o)
			require.NoError(t, err)
			require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
			require.NotContains(t, f.calls, "rollback")
			require.Contains(t, result.Advice, c.says)
			require.Contains(t, result.Advice, "migrate:down", "the exact commands")
			require.False(t, result.Undo.Done)
			require.Contains(t, result.Undo.Why, "no")
			require.Equal(t, c.left, result.Undo.Left)
			require.Equal(t, c.left == nil, has(result.Advice, "3_b.js 2_a.js"), "only those that are in are still to be taken back")
		})
	}
}

// A catalog can be green and frozen on the schema of a later release.
func TestARollbackThatPassesAndWritesNothingIsNone(t *testing.T) {
	f, o := migrating(t)
	f.errs["prove"] = rejected{}
	result, err := Deploy(t.Context(), image("crash+schema"), o)
	require.NoError(t, err)
	require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
	require.Contains(t, result.Advice, "did not pass: nothing is written any more [deploy/frozen]; deploy an image that is repaired and has these migrations, too")
}

func TestAPolicyThatCannotWorkRefusesTheDeploy(t *testing.T) {
	f, o := migrating(t)
	f.errs["prepare"] = record.Refused("database/none-known", "no database")
	_, err := Deploy(t.Context(), image("good+schema"), o)
	require.Equal(t, record.KindRefused, record.KindOf(err))
	require.ErrorContains(t, err, "preparing --on-migrated migrate-down: no database")
	require.Len(t, f.history, 1)

	f.errs["prepare"] = nil
	f.state = nil
	_, err = Deploy(t.Context(), image("good+schema"), o)
	require.Equal(t, "deploy/on-migrated", record.CodeOf(err))
	require.Len(t, f.history, 1)
}

func TestNothingIsPreparedForAReleaseThatNeedsNoDatabase(t *testing.T) {
	f, o := migrating(t)
	result, err := Deploy(t.Context(), image("good"), o)
	require.NoError(t, err)
	require.NotContains(t, f.calls, "prepare")
	for _, phase := range result.Phases {
		require.NotEqual(t, string(preparing), phase.Name)
	}
}

func TestARollbackByHandGoesByThePolicyToo(t *testing.T) {
	f := installed(t, "one", "two+schema")
	f.state = applies()
	o := f.options()
	o.OnMigrated, o.DryRun = record.MigratedDown, true
	_, err := Rollback(t.Context(), revisions.RollbackTo{}, o)
	require.NoError(t, err)
	require.NotContains(t, f.calls, "undo")

	f.errs["announce"] = errors.New("no")
	for _, dry := range []bool{true, false} {
		o.DryRun = dry
		_, err = Rollback(t.Context(), revisions.RollbackTo{}, o)
		require.Equal(t, record.KindRefused, record.KindOf(err))
		require.Len(t, f.history, 2)
	}

	f.errs["announce"] = nil
	result, err := Rollback(t.Context(), revisions.RollbackTo{}, o)
	require.NoError(t, err)
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Contains(t, f.calls, "prove")
}

// What a run left that died while the databases went back is finished by recover.
func TestRecoverGoesOnWithThePolicy(t *testing.T) {
	f, o := migrating(t)
	f.errs["undo"] = errors.New("killed")
	_, err := Deploy(t.Context(), image("crash-schema"), o)
	require.NoError(t, err)
	f.errs["undo"] = nil
	result, err := Recover(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, record.VerdictRolledBack, result.Verdict)
	require.True(t, result.Undo.Done)
	require.NotEmpty(t, f.asked, "the database is found by what the failed revision runs")
	for _, workloads := range f.asked {
		require.NotEmpty(t, workloads)
	}
}

// Nothing is foreseen, asked or done where nobody knows of databases.
func TestWithoutDatabasesARollbackIsOneOfObjects(t *testing.T) {
	f, o := migrating(t)
	connect := o.Connect
	o.Connect = func() (Cluster, error) {
		c, err := connect()
		c.Databases = nil
		return c, err
	}
	for _, c := range []struct {
		run  func() (record.Record, error)
		want record.Verdict
	}{
		{func() (record.Record, error) { return Deploy(t.Context(), image("crash+schema"), o) }, record.VerdictRolledBack},
		{func() (record.Record, error) { return Deploy(t.Context(), image("good+schema"), o) }, record.VerdictGood},
		{func() (record.Record, error) { return Recover(t.Context(), o) }, record.VerdictOK},
		{func() (record.Record, error) { return Rollback(t.Context(), revisions.RollbackTo{Revision: 1}, o) }, record.VerdictGood},
	} {
		result, err := c.run()
		require.NoError(t, err)
		require.Equal(t, c.want, result.Verdict)
		require.Nil(t, result.Migrations)
	}
	for _, what := range []string{"prepare", "announce", "undo", "prove", "start"} {
		require.NotContains(t, f.calls, what)
	}
}
