package database

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func table(database, schema, name string, rows ...string) record.MigrationTable {
	t := record.MigrationTable{Database: database, Schema: schema, Name: name}
	for _, row := range rows {
		t.Rows = append(t.Rows, record.MigrationRow{Name: row, Batch: 1})
	}
	return t
}

func adds(folder string, names ...string) record.Migrations {
	return record.Migrations{Plugins: []record.PluginMigrations{{Plugin: folder, Folder: folder, Change: record.MigratesUp, Added: names}}}
}

func TestWhichMigrationsAreIn(t *testing.T) {
	const catalog, auth = "@backstage/plugin-catalog-backend/migrations", "@backstage/backend-defaults/migrations/auth"
	all := record.AppliedMigrations{Tables: []record.MigrationTable{
		table("backstage_plugin_catalog", "public", "knex_migrations", "1_init.js", "2_a.js", "3_b.js"),
		table("backstage_plugin_catalog", "public", "backstage_backend_public_keys__knex_migrations", "20240327104803_public_keys.js"),
		table("backstage_plugin_scaffolder", "public", "knex_migrations", "1_init.js", "4_c.js"),
		table("portal", "todo-list", "knex_migrations", "1_init.js"),
		table("backstage_plugin_twice", "public", "knex_migrations", "1_init.js", "2_a.js", "2_a.js", "3_b.js"),
	}}
	for name, c := range map[string]struct {
		m    record.Migrations
		want []string // as they have to be taken back
	}{
		"some, the last first": {adds(catalog, "2_a.js", "3_b.js", "4_c.js"), []string{"3_b.js", "2_a.js"}},
		// knex/knex#4495: its way back would fail for the second row, as the first takes both out.
		"one that two pods have run at once":     {adds("@acme/backstage-plugin-twice-backend/migrations", "2_a.js", "3_b.js"), []string{"3_b.js", "2_a.js"}},
		"none":                                   {adds(catalog, "5_d.js"), nil},
		"another plugin's of the same name":      {adds("@backstage/plugin-search-backend/migrations", "9_x.js"), nil},
		"a folder that several databases note":   {adds(auth, "20240327104803_public_keys.js"), []string{"20240327104803_public_keys.js"}},
		"a plugin with a schema of its own":      {adds("@acme/backstage-plugin-todo-list-backend/migrations", "1_init.js"), []string{"1_init.js"}},
		"a package whose name tells no database": {adds("app/packages/backend/migrations", "4_c.js"), []string{"4_c.js"}},
		// RoadieHQ/roadie-backstage-plugins#1900
		"a new module's are in that of its plugin": {record.Migrations{Plugins: []record.PluginMigrations{{Folder: "@roadiehq/rag-ai-storage-pgvector/migrations", Change: record.NewModule, Added: []string{"4_c.js"}}}}, []string{"4_c.js"}},
		"a new plugin's are nothing to an old one": {record.Migrations{Plugins: []record.PluginMigrations{{Folder: catalog, Change: record.NewPlugin, Added: []string{"1_init.js"}}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			state := In(c.m, all)
			var got []string
			for _, a := range state.Down {
				got = append(got, a.Name)
			}
			require.Equal(t, c.want, got)
			require.Equal(t, len(c.want) > 0, len(state.In) > 0)
		})
	}
}
