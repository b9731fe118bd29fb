package migrations_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/migrations"
)

func TestWhatIsAMigration(t *testing.T) {
	for _, c := range []struct{ file, folder, plugin string }{
		{"app/node_modules/@backstage/plugin-catalog-backend/migrations/20200511113813_init.js", "@backstage/plugin-catalog-backend/migrations", "@backstage/plugin-catalog-backend"},
		{"/app/node_modules/@backstage/plugin-notifications-backend/migrations/20231215_init.js", "@backstage/plugin-notifications-backend/migrations", "@backstage/plugin-notifications-backend"},
		{"app/node_modules/@backstage/backend-defaults/migrations/auth/20240327104803_public_keys.js", "@backstage/backend-defaults/migrations/auth", "@backstage/backend-defaults (auth)"},
		{"app/packages/backend/migrations/20240101000000_init.cjs", "app/packages/backend/migrations", "app/packages/backend"},
		{"app/plugins/todo-backend/migrations/20240101000000_init.ts", "app/plugins/todo-backend/migrations", "app/plugins/todo-backend"},
		{"opt/app-root/src/dynamic-plugins/dist/rbac/migrations/20231015161619_rbac.mjs", "opt/app-root/src/dynamic-plugins/dist/rbac/migrations", "opt/app-root/src/dynamic-plugins/dist/rbac"},
		{"./app/node_modules/a/node_modules/@backstage/backend-defaults/migrations/auth/20240327104803_public_keys.js", "@backstage/backend-defaults/migrations/auth", "@backstage/backend-defaults (auth)"},
		{"app/node_modules/plugin/migrations/001_init.sql", "plugin/migrations", "plugin"},

		{"app/node_modules/knex/lib/migrations/migrate/Migrator.js", "", ""},
		{"app/node_modules/knex/lib/migrations/20240101000000_own.js", "", ""},
		{"app/node_modules/@backstage/plugin-techdocs-node/dist/stages/publish/migrations/GoogleMigration.cjs.js", "", ""},
		{"app/node_modules/x/migrations/20240101000000_init.d.ts", "", ""},
		{"app/node_modules/x/migrations/20240101000000_init.js.map", "", ""},
		{"app/node_modules/x/migrations/README.md", "", ""},
		{"app/node_modules/x/20240101000000_init.js", "", ""},
		{"app/migrations/node_modules/x/20240101000000_init.js", "", ""},
		{"", "", ""}, {"/", "", ""}, {"migrations", "", ""},
	} {
		t.Run(c.file, func(t *testing.T) {
			folder, name, ok := migrations.Split(c.file)
			require.Equal(t, c.folder != "", ok)
			if ok {
				require.Equal(t, c.folder, folder)
				require.Equal(t, c.plugin, migrations.PluginOf(folder))
				require.NotContains(t, name, "/")
			}
		})
	}
}
