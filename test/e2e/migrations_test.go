package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// backend is the example's with a plugin of its own, whose migrations lie beside it: real
// knex, real tables and a real lock in the database backstage_plugin_todo.
const backend = `'use strict';
const { join } = require('node:path');
const { createBackend } = require('@backstage/backend-defaults');
const { createBackendPlugin, coreServices } = require('@backstage/backend-plugin-api');
process.env.SMOKE_TOKEN ||= 'a-token-that-nobody-uses';
const todo = createBackendPlugin({
  pluginId: 'todo',
  register(env) {
    env.registerInit({
      deps: { database: coreServices.database },
      async init({ database }) {
        const knex = await database.getClient();
        await knex.migrate.latest({ directory: join(__dirname, 'migrations') });
        AFTER
      },
    });
  },
});
const backend = createBackend();
backend.add(import('@backstage/plugin-app-backend'));
backend.add(import('@backstage/plugin-catalog-backend'));
backend.add(todo);
backend.start();
`

// The migrations of the plugin. The slow one is where a pod is killed.
const (
	initial = "exports.up = knex => knex.schema.createTable('todos', t => { t.increments('id'); t.string('title'); });\nexports.down = knex => knex.schema.dropTable('todos');\n"
	more    = "exports.up = knex => knex.schema.alterTable('todos', t => { t.string('owner'); });\nexports.down = knex => knex.schema.alterTable('todos', t => { t.dropColumn('owner'); });\n"
	slow    = "exports.config = { transaction: false };\nexports.up = knex => knex.raw('select pg_sleep(20)');\nexports.down = async () => {};\n"
)

// image builds a version of the example with that plugin; after runs when its migrations
// are in.
func (h target) migrating(version, after string, migrations map[string]string) string {
	overlay := map[string]string{
		"packages/backend/dist/index.cjs.js":                      strings.Replace(backend, "AFTER", after, 1),
		"packages/backend/dist/migrations/20240101000000_init.js": initial,
		"packages/backend/dist/version.txt":                       version,
	}
	for name, content := range migrations {
		overlay["packages/backend/dist/migrations/"+name] = content
	}
	o := stagecrew(h.t, "build", "--source", workspace(h.t, overlay), "--base-image", envtest.Env(h.t, "E2E_BASE_IMAGE"),
		"--repository", h.images, "--version-label", version, "--output", "json")
	require.Zero(h.t, o.exit)
	return o.record.Image.String()
}

const fails = "throw new Error('the new release does not work');"

func TestMigrationsDecideAboutARollback(t *testing.T) {
	h := newTarget(t, "e2e-migrations")
	// What met a lock is restarted when its startup probe has failed for two minutes.
	h.values = write(t, "values.yaml", "{secrets: {postgresPassword: e2e-password}, rbac: {mode: none}, probes: {startup: {failureThreshold: 20}}}")
	unsigned := []string{"--allow-unsigned-unsafe", "--soak", "0"}
	rows := func() string {
		return h.sql("postgres", "backstage_plugin_todo", "SELECT string_agg(name, ' ' ORDER BY id) FROM knex_migrations")
	}
	one := h.migrating("1.0.0", "", nil)
	h.apply(one, filepath.Join(envtest.Env(t, "E2E_ROOT"), "charts", "backstage"))
	require.Equal(t, "20240101000000_init.js", rows())

	t.Run("a failed release without migrations is rolled back", func(t *testing.T) {
		o := h.deploy(h.migrating("1.1.0", fails, nil), unsigned...)
		require.Equal(t, 4, o.exit)
		require.Equal(t, record.VerdictRolledBack, o.record.Verdict)
	})

	good, takeBack := 3, "" // the rollback, and the command that the advice gives
	t.Run("one whose migrations are in stays, and says what to do", func(t *testing.T) {
		o := h.deploy(h.migrating("2.0.0", fails, map[string]string{"20260101000000_owner.js": more}), unsigned...)
		require.Equal(t, 5, o.exit)
		require.Equal(t, record.VerdictNeedsHuman, o.record.Verdict)
		require.Equal(t, "20240101000000_init.js 20260101000000_owner.js", rows())
		require.Contains(t, o.record.Advice, "adds 1 migration (20260101000000_owner.js)")
		command := regexp.MustCompile("`(kubectl [^`]*migrate:down[^`]*)`").FindStringSubmatch(o.record.Advice)
		require.NotNil(t, command, o.record.Advice)
		takeBack = command[1]
		require.NotContains(t, o.stderr+o.stdout, "e2e-password")
		require.Len(t, o.record.Databases.Down, 1)
		require.Equal(t, "backstage_plugin_todo", o.record.Databases.Down[0].Database)
	})

	t.Run("so does a rollback by hand", func(t *testing.T) {
		o := stagecrew(t, append(append([]string{"rollback"}, h.cluster()...), "--allow-unsigned-unsafe", "--soak", "0")...)
		require.Equal(t, 1, o.exit)
		require.Contains(t, o.record.Error, "[rollback/migrated]")
	})

	t.Run("when they are taken back, it goes", func(t *testing.T) {
		command := exec.CommandContext(t.Context(), "sh", "-c", takeBack)
		command.Env = append(os.Environ(), "KUBECONFIG="+envtest.Env(t, "E2E_KUBECONFIG"))
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s: %s", takeBack, out)
		require.Equal(t, "20240101000000_init.js", rows())
		o := stagecrew(t, append(append([]string{"rollback"}, h.cluster()...), "--allow-unsigned-unsafe", "--soak", "0")...)
		require.Zero(t, o.exit)
		require.Equal(t, good, o.record.Release.RollbackTarget)
	})

	t.Run("a pod that is killed while it migrates leaves a lock, which recover frees", func(t *testing.T) {
		image := h.migrating("3.0.0", "", map[string]string{"20260101000000_owner.js": more, "20260201000000_slow.js": slow})
		ended := make(chan outcome, 1)
		go func() { ended <- h.deploy(image, unsigned...) }()
		require.Eventually(t, func() bool {
			return h.sql("postgres", "backstage_plugin_todo", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(20)%' AND pid <> pg_backend_pid()") == "1"
		}, 3*time.Minute, 200*time.Millisecond)
		pods := strings.Fields(kubectl(t, "-n", h.namespace, "get", "pods", "--selector", "app=backstage", "--sort-by", ".metadata.creationTimestamp", "-o", "name"))
		kubectl(t, "-n", h.namespace, "delete", pods[len(pods)-1], "--grace-period", "0", "--force")
		o := <-ended
		require.Equal(t, 5, o.exit)
		require.Contains(t, o.record.Advice, "knex_migrations_lock is held")
		require.Equal(t, record.MarkPending, h.status()[0].Verdict, "the image is not to blame")

		recover := append(append([]string{"recover"}, h.cluster()...), "--allow-unsigned-unsafe", "--soak", "0", "--unlock-migrations")
		for o.exit = 1; o.exit == 1 && t.Context().Err() == nil; time.Sleep(2 * time.Second) {
			o = stagecrew(t, recover...) // refused while a pod that was restarted may be migrating
		}
		require.Zero(t, o.exit)
		require.Equal(t, record.VerdictGood, o.record.Verdict)
		require.Equal(t, "20240101000000_init.js 20260101000000_owner.js 20260201000000_slow.js", rows())
	})
}
