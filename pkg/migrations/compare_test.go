package migrations_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// release are the migrations of a Backstage backend with app and catalog, from the
// packages of the release in the npm registry.
func release(t *testing.T, version string) migrations.Set {
	t.Helper()
	content, err := os.ReadFile("testdata/backstage-" + version + ".txt")
	require.NoError(t, err)
	return migrations.Of(strings.Fields(string(content)))
}

// What real backends do on each other's databases is in the facts of 2026-11: 1.43 exits
// on the schema of 1.55, 1.54 hangs on it, and 1.53 and 1.54 run on each other's.
func TestEachPairOfFourReleasesOfBackstage(t *testing.T) {
	const free, needs = record.RollbackFree, record.RollbackNeedsDatabase
	for _, c := range []struct {
		live, next     string
		rollback       record.RollbackNeeds
		added, missing int
	}{
		{"1.43", "1.53", needs, 8, 0},
		{"1.43", "1.54", needs, 8, 0},
		{"1.43", "1.55", needs, 10, 0},
		{"1.53", "1.54", free, 0, 0},
		{"1.53", "1.55", needs, 2, 0},
		{"1.54", "1.55", needs, 2, 0},
		{"1.54", "1.53", free, 0, 0},
		{"1.53", "1.43", free, 0, 8},
		{"1.54", "1.43", free, 0, 8},
		{"1.55", "1.43", free, 0, 10},
		{"1.55", "1.53", free, 0, 2},
		{"1.55", "1.54", free, 0, 2},
	} {
		t.Run(c.live+" to "+c.next, func(t *testing.T) {
			m := migrations.Compare(release(t, c.live), release(t, c.next))
			require.Equal(t, c.rollback, m.Rollback, m.Why)
			require.Equal(t, c.missing > 0, m.Downgrades())
			if c.added+c.missing == 0 {
				require.Empty(t, m.Plugins)
				return
			}
			require.Len(t, m.Plugins, 1)
			require.Equal(t, "@backstage/plugin-catalog-backend", m.Plugins[0].Plugin)
			require.Len(t, m.Plugins[0].Added, c.added)
			require.Len(t, m.Plugins[0].Missing, c.missing)
		})
	}
}

func TestTheSentenceNamesPluginAndFiles(t *testing.T) {
	m := migrations.Compare(release(t, "1.54"), release(t, "1.55"))
	require.Equal(t, "rollback: needs-database: @backstage/plugin-catalog-backend adds 2 migrations (20260904000000_fix_search_entity_id_ndistinct.js, 20260912000000_refresh_state_maintenance.js)", m.String())
}

func TestHowFoldersDiffer(t *testing.T) {
	catalog := func(names ...string) migrations.Set {
		return migrations.Set{"@backstage/plugin-catalog-backend/migrations": names}
	}
	const a, b, c = "20200511113813_init.js", "20200702153613_entities.js", "20260214000000_search.js"
	for _, one := range []struct {
		name       string
		live, next migrations.Set
		rollback   record.RollbackNeeds
		change     record.MigrationChange
	}{
		{"nothing at all", nil, nil, record.RollbackUnknown, ""},
		{"the same", catalog(a, b), catalog(a, b), record.RollbackFree, ""},
		{"one more", catalog(a), catalog(a, b), record.RollbackNeedsDatabase, record.MigratesUp},
		{"one less", catalog(a, b), catalog(a), record.RollbackFree, record.MigratesDown},
		{"two branches", catalog(a, b), catalog(a, c), record.RollbackNeedsDatabase, record.MigratesApart},
		{"a new plugin", nil, catalog(a), record.RollbackFree, record.NewPlugin},
		{"a plugin that goes", catalog(a), nil, record.RollbackFree, record.RemovedPlugin},
		{
			"a package that was renamed works on the same tables",
			migrations.Set{"@janus-idp/backstage-plugin-rbac-backend/migrations": {a, b}},
			migrations.Set{"@backstage-community/plugin-rbac-backend/migrations": {a, b, c}},
			record.RollbackNeedsDatabase, record.MigratesUp,
		},
		{
			"a package that was only renamed",
			migrations.Set{"@backstage/backend-tasks/migrations": {a, b}},
			migrations.Set{"@backstage/backend-defaults/migrations/scheduler": {a, b}},
			record.RollbackFree, "",
		},
		{
			"a name that two plugins happen to share does not make them one",
			migrations.Set{"a-backend/migrations": {a, "20210101_x.js", "20210102_y.js"}},
			migrations.Set{"b-backend/migrations": {a, "20220101_x.js", "20220102_y.js"}},
			record.RollbackFree, record.RemovedPlugin,
		},
	} {
		t.Run(one.name, func(t *testing.T) {
			m := migrations.Compare(one.live, one.next)
			require.Equal(t, one.rollback, m.Rollback)
			if one.change == "" {
				require.Empty(t, m.Plugins)
				return
			}
			require.Equal(t, one.change, m.Plugins[0].Change)
		})
	}
}

// What people have reported, with what they would have wanted to know before.
func TestReports(t *testing.T) {
	const free, needs = record.RollbackFree, record.RollbackNeedsDatabase
	for _, c := range []struct {
		name       string
		live, next migrations.Set
		rollback   record.RollbackNeeds
		downgrades bool
	}{
		{
			"backstage/backstage#30400: from 1.39 there was no way back to 1.38",
			migrations.Set{"@backstage/backend-defaults/migrations/scheduler": {"20210928160613_init.js", "20240712211735_nullable_next_run.js"}},
			migrations.Set{"@backstage/backend-defaults/migrations/scheduler": {"20210928160613_init.js", "20240712211735_nullable_next_run.js", "20250411000000_last_run.js"}},
			needs, false,
		},
		{
			"backstage/backstage#22439: sessions of the auth plugin",
			migrations.Set{"@backstage/plugin-auth-backend/migrations": {"20220707213737_public_keys.js"}},
			migrations.Set{"@backstage/plugin-auth-backend/migrations": {"20220707213737_public_keys.js", "20230428155633_sessions.js"}},
			needs, false,
		},
		{
			"backstage/backstage#14401: an upgrade lacks a file that was applied",
			migrations.Set{"@backstage/plugin-scaffolder-backend/migrations": {"20210120143715_init.js", "20220129100000_created_by.js"}},
			migrations.Set{"@backstage/plugin-scaffolder-backend/migrations": {"20210120143715_init.js", "20220601000000_other.js"}},
			needs, true,
		},
		{
			"RoadieHQ/roadie-backstage-plugins#1900: a module's file in the table of the catalog",
			migrations.Set{"@backstage/plugin-catalog-backend/migrations": {"20200511113813_init.js"}},
			migrations.Set{"@backstage/plugin-catalog-backend/migrations": {"20200511113813_init.js"}, "@roadiehq/rag-ai-storage-pgvector/migrations": {"20231216153432_init_vector_embeddings_store.js"}},
			needs, false,
		},
		{
			"knex/knex#4028: the ending is a part of the name",
			migrations.Set{"app/packages/backend/migrations": {"20200916144643_user.ts"}},
			migrations.Set{"app/packages/backend/migrations": {"20200916144643_user.js"}},
			needs, true,
		},
		{
			"plankanban/planka#1518: all old files became one",
			migrations.Set{"app/db/migrations": {"20180721020022_create_next_id_function.js", "20180721021044_create_archive_table.js"}},
			migrations.Set{"app/db/migrations": {"20250228000022_version_2.js"}},
			needs, true,
		},
		{
			"WatWowMap/ReactMap#352: back from a branch",
			migrations.Set{"server/src/db/migrations": {"20211229000000_init.cjs", "20220116023217_gym_tracking.cjs"}},
			migrations.Set{"server/src/db/migrations": {"20211229000000_init.cjs"}},
			free, true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := migrations.Compare(c.live, c.next)
			require.Equal(t, c.rollback, m.Rollback, m.Why)
			require.Equal(t, c.downgrades, m.Downgrades(), m.Why)
		})
	}
}
