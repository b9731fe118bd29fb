package deploy

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// down are migrations that an image has applied in two databases.
var down = []record.AppliedMigration{
	{Database: "backstage_plugin_catalog", Schema: "public", Table: "knex_migrations", Folder: "@backstage/plugin-catalog-backend/migrations", Name: "3_b.js"},
	{Database: "backstage_plugin_catalog", Schema: "public", Table: "knex_migrations", Folder: "@backstage/plugin-catalog-backend/migrations", Name: "2_a.js"},
	{Database: "backstage_plugin_todo", Schema: "public", Table: "knex_migrations", Folder: "app/packages/backend/migrations", Name: "9_x.js"},
}

func applies() *record.DatabaseState {
	return &record.DatabaseState{In: []record.PluginMigrations{catalog}, Down: down}
}

func locked(holders ...string) *record.DatabaseState {
	return &record.DatabaseState{Locked: []record.MigrationTable{{Database: "backstage_plugin_catalog", Lock: &record.MigrationLock{Table: "knex_migrations_lock", Rows: 1, Holders: holders}}}}
}

// A rollback that ignores the schema is an outage: helm's own went to an image that could
// not start (evoila/meho#1607, airflow-helm/charts#461), and Backstage of before says
// "The migration directory is corrupt" (backstage/backstage#22439, #30400).
func TestARevisionWhoseMigrationsAreInIsNotRolledBack(t *testing.T) {
	f := installed(t, "fine")
	f.state = applies()
	result := f.deploy(t, "crash+schema")
	require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
	require.NotContains(t, f.calls, "rollback")
	require.Equal(t, record.MarkBad, f.history[0].Verdict)
	require.Equal(t, 2, result.Release.Live)
	require.Equal(t, f.state, result.Databases)
	for _, part := range []string{
		"revision 2 did not pass: Pod/a", "it was not rolled back to 1: the databases hold migrations that its image lacks, and it would not start on them: catalog adds 2 migrations (2_a.js, 3_b.js)",
		"`stagecrew deploy --release backstage --namespace prod --image …`", "`stagecrew rollback --release backstage --namespace prod --to 1`",
		"for m in 3_b.js 2_a.js; do PGPASSWORD=\"$POSTGRES_PASSWORD\" node node_modules/.bin/knex migrate:down $m", "/backstage_plugin_catalog\"", "--migrations-directory node_modules/@backstage/plugin-catalog-backend/migrations", "for m in 9_x.js; do", "--migrations-directory /app/packages/backend/migrations",
	} {
		require.Contains(t, result.Advice, part)
	}
}

func TestWhatTheDatabasesSayDecidesAboutARollback(t *testing.T) {
	for name, c := range map[string]struct {
		image   string
		state   *record.DatabaseState
		err     error
		verdict record.Verdict
		advice  string
	}{
		"the migrations are not in":         {"crash+schema", &record.DatabaseState{}, nil, record.VerdictRolledBack, ""},
		"the image adds none":               {"crash", applies(), nil, record.VerdictRolledBack, ""},
		"nobody knows what the image adds":  {"crash+odd", applies(), nil, record.VerdictRolledBack, ""},
		"no database is known":              {"crash+schema", nil, nil, record.VerdictRolledBack, ""},
		"the pods are not let in either":    {"crash+schema", nil, record.Refused("database/wrong-password", "no"), record.VerdictRolledBack, ""},
		"who asks is not let in":            {"crash+schema", nil, record.Refused("database/not-let-in", "no pg_hba.conf entry"), record.VerdictNeedsHuman, "could not be found out: no pg_hba.conf entry"},
		"the database cannot be reached":    {"crash+schema", nil, record.Unavailable("database/unreachable", "connection refused"), record.VerdictNeedsHuman, "whether these are applied could not be found out: connection refused"},
		"a label says so, and no file":      {"crash+word", &record.DatabaseState{}, nil, record.VerdictNeedsHuman, "the label says forward-only, and no names of files tell whether that was done"},
		"somebody migrates":                 {"crash+schema", locked("Pod/a container b, which is not ready"), nil, record.VerdictNeedsHuman, "who may be migrating: Pod/a container b, which is not ready; no revision can start until it is free; wait for the migration to end, and then"},
		"a lock is left, and nothing is in": {"crash+schema", locked(), nil, record.VerdictNeedsHuman, "backstage_plugin_catalog: knex_migrations_lock is held by nobody who lives: a migration was killed; no revision can start until it is free; `stagecrew recover --release backstage --namespace prod --unlock-migrations`"},
	} {
		t.Run(name, func(t *testing.T) {
			f := installed(t, "fine")
			f.state = &record.DatabaseState{}
			f.on = func(what string) {
				if what == "apply" { // the lock is free before it
					f.state = c.state
					f.fails("ask", c.err)
				}
			}
			result := f.deploy(t, c.image)
			require.Equal(t, c.verdict, result.Verdict, result.Advice)
			require.Contains(t, result.Advice, c.advice)
		})
	}
}

// A lock that a killed pod left fails every image (backstage/backstage#26546,
// lightdash/helm-charts#134): the revision gets no verdict, and is judged when it is free.
func TestALockThatIsHeldIsNoBadImage(t *testing.T) {
	f := installed(t, "fine")
	f.state = &record.DatabaseState{}
	f.on = func(what string) {
		if what == "apply" {
			f.state = locked()
		}
	}
	result := f.deploy(t, "locked")
	require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
	require.Equal(t, record.MarkPending, f.history[0].Verdict)
	require.NotContains(t, f.calls, "rollback")

	f.errs["unlock"] = record.Refused("database/lock-held", "Pod/a is migrating")
	o := f.options()
	o.Unlock = true
	_, err := Recover(t.Context(), o)
	require.Equal(t, "database/lock-held", record.CodeOf(err))

	f.errs["unlock"] = nil
	f.history[0].Image = "fine"
	result, err = Recover(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Len(t, result.Repairs, 1)
	require.Contains(t, result.Repairs[0], "the lock knex_migrations_lock of the database backstage_plugin_catalog was freed")
}

func TestALockThatWasFreeAgainIsAFailureLikeAnother(t *testing.T) {
	f := installed(t, "fine")
	f.state = &record.DatabaseState{}
	result := f.deploy(t, "locked")
	require.Equal(t, record.VerdictRolledBack, result.Verdict)
}

// Each start takes the lock, also of an image that adds no migration: the pods of
// backstage/backstage#26546 came to life on no image.
func TestADeployIntoAHeldLockIsRefused(t *testing.T) {
	for _, next := range []string{"good+schema", "good"} {
		f := installed(t, "fine")
		f.state = locked()
		_, err := Deploy(t.Context(), image(next), f.options())
		require.Equal(t, "deploy/migrations-locked", record.CodeOf(err), next)
		require.Len(t, f.history, 1)
	}
}

func TestARollbackThatIsFreeNeedsNoDatabaseThatAnswers(t *testing.T) {
	f := installed(t, "fine")
	f.fails("ask", record.Unavailable("database/unreachable", "connection refused"))
	require.Equal(t, record.VerdictGood, f.deploy(t, "good").Verdict)
}

// A rollback that cannot start is refused before anything is changed (curie-eng/curie#2296).
func TestARollbackByHandAsksFirst(t *testing.T) {
	f := installed(t, "one", "two+schema")
	f.state = applies()
	for _, dry := range []bool{false, true} {
		o := f.options()
		o.DryRun = dry
		_, err := Rollback(t.Context(), revisions.RollbackTo{}, o)
		require.Equal(t, "rollback/migrated", record.CodeOf(err))
		require.Equal(t, record.KindRefused, record.KindOf(err))
		require.Len(t, f.history, 2)
	}
	f.state = &record.DatabaseState{}
	require.Equal(t, record.VerdictGood, f.rollback(t, revisions.RollbackTo{}).Verdict)
}

func TestAfterASignalNothingIsRolledBackOntoMigrations(t *testing.T) {
	f := installed(t, "fine")
	f.state = applies()
	ctx, cancel := context.WithCancel(t.Context())
	f.on = func(what string) {
		if what == "watch" && len(f.history) > 1 {
			cancel()
		}
	}
	result, err := Deploy(ctx, image("good+schema"), f.options())
	require.NoError(t, err)
	require.Equal(t, record.VerdictCancelled, result.Verdict)
	require.NotContains(t, f.calls, "rollback")
	require.Contains(t, result.Advice, "it was not rolled back to 1")
}

func TestWhatADeadRunAppliedInPartStaysOnItsMigrations(t *testing.T) {
	f := installed(t, "fine")
	f.push(record.Revision{Image: "half+schema"}, errors.New("killed"))
	f.state = applies()
	result := f.deploy(t, "good+schema")
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.NotContains(t, f.calls, "rollback")
}

// People paste what they are advised: names are words of the shell, and nothing else.
func TestNamesInTheCommandsThatTakeMigrationsBackAreOnlyRead(t *testing.T) {
	command := knexDown(record.AppliedMigration{Database: `a$(id)"b`, Table: "knex_migrations; id", Folder: "x'y/migrations"}, []string{text.ShellWord("1_a;id.js"), "2_b.js"})
	require.Contains(t, command, `for m in '1_a;id.js' 2_b.js; do `)
	require.Contains(t, command, `/a\$(id)\"b" --migrations-table-name 'knex_migrations; id' --migrations-directory 'node_modules/x'\''y/migrations'`)
}

// A plugin's schema has its name, as user-settings.
func TestASchemaIsAWordOfTheURL(t *testing.T) {
	command := knexDown(record.AppliedMigration{Database: "portal", Schema: `user-set"tings&x`, Table: "knex_migrations", Folder: "x/migrations"}, []string{"1_a.js"})
	require.Contains(t, command, `/portal?options=-c%20search_path%3D%22user-set%22%22tings%26x%22" `)
}
