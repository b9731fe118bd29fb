package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// More migrations of the plugin, beside those of the tests before. The hidden one drops a
// column, which its text does not show.
const (
	note   = "exports.up = knex => knex.schema.alterTable('todos', t => { t.string('note').nullable(); });\nexports.down = knex => knex.schema.alterTable('todos', t => { t.dropColumn('note'); });\n"
	oneWay = "exports.up = knex => knex.schema.alterTable('todos', t => { t.string('fate').nullable(); });\nexports.down = async () => { throw new Error('Manual intervention required'); };\n"
	drops  = "exports.up = knex => knex.schema.alterTable('todos', t => { t.dropColumn('title'); });\nexports.down = knex => knex.schema.alterTable('todos', t => { t.string('title'); });\n"
	hidden = "exports.up = knex => knex.raw('alter table todos dr' + 'op column title');\nexports.down = knex => knex.schema.alterTable('todos', t => { t.string('title'); });\n"
	// writes is an application that writes what the hidden migration takes away, and says
	// what PostgreSQL answers, as a catalog does.
	writes = "setInterval(() => knex('todos').insert({ title: 'x' }).catch(e => console.log(JSON.stringify({ level: 'warn', code: e.code, message: e.message }))), 1000);"
)

// Each policy, where a release fails after its migrations are in.
func TestMigrationsGoBackByPolicy(t *testing.T) {
	h := newTarget(t, "e2e-policies")
	h.values = write(t, "values.yaml", "{secrets: {postgresPassword: e2e-password}, rbac: {mode: none}, probes: {startup: {failureThreshold: 20}}}")
	by := func(policy string) []string {
		return []string{"--allow-unsigned-unsafe", "--soak", "0", "--on-migrated", policy}
	}
	rows := func() string {
		return h.sql("postgres", "backstage_plugin_todo", "SELECT string_agg(left(name, 4), ' ' ORDER BY id) FROM knex_migrations")
	}
	set := func() string {
		return kubectl(t, "-n", h.namespace, "get", "deployment/backstage", "-o", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].env[?(@.name=='"+backstage.SkipValidation+"')].value} {.metadata.annotations}")
	}
	// The files of a year: what a later release has includes what those before had.
	files := map[string]string{"20250101000000_owner.js": more}
	with := func(name, text string) map[string]string {
		all := map[string]string{name: text}
		for k, v := range files {
			all[k] = v
		}
		return all
	}
	h.apply(h.migrating("1.0.0", writes, files), filepath.Join(envtest.Env(t, "E2E_ROOT"), "charts", "backstage"))
	require.Equal(t, "2024 2025", rows())

	t.Run("migrate-down takes back what this release added, and nothing else", func(t *testing.T) {
		both := with("20260101000000_note.js", note)
		both["20260201000000_other.js"] = strings.ReplaceAll(note, "note", "other")
		began := time.Now()
		o := h.deploy(h.migrating("2.0.0", fails, both), by("migrate-down")...)
		t.Log("seconds", time.Since(began).Seconds(), "of which the databases", o.record.Undo)
		require.Equal(t, 4, o.exit, o.record.Advice)
		require.Equal(t, record.VerdictRolledBack, o.record.Verdict)
		require.Equal(t, "2024 2025", rows())
		require.Len(t, o.record.Undo.Out, 2)
		require.Contains(t, o.record.Undo.Plan, "20260201000000_other.js, backstage_plugin_todo 20260101000000_note.js")
		require.NotContains(t, o.stdout+o.stderr, "e2e-password")
		require.Empty(t, kubectl(t, "-n", h.namespace, "get", "jobs", "-l", "stagecrew.dev/undoes", "-o", "name"))
		require.NotContains(t, set(), "stopped-replicas")
	})

	t.Run("a way back that refuses stops in between, and the next deploy starts the pods", func(t *testing.T) {
		both := with("20260101000000_fate.js", oneWay)
		both["20260201000000_note.js"] = note
		o := h.deploy(h.migrating("2.1.0", fails, both), by("migrate-down")...)
		require.Equal(t, 5, o.exit, o.record.Advice)
		require.Contains(t, o.record.Advice, "Manual intervention required")
		require.Contains(t, o.record.Advice, "out are 20260201000000_note.js, in are 20260101000000_fate.js")
		require.Equal(t, "2024 2025 2026", rows())
		require.True(t, strings.HasPrefix(set(), "0 "), set())
		files["20260101000000_fate.js"] = oneWay
		o = h.deploy(h.migrating("2.1.1", writes, files), by("stop")...)
		require.Zero(t, o.exit, o.record.Advice)
		require.NotContains(t, set(), "stopped-replicas")
	})

	t.Run("skip-validation leaves what is harmless in", func(t *testing.T) {
		o := h.deploy(h.migrating("3.0.0", fails, with("20260301000000_more.js", strings.ReplaceAll(note, "note", "more"))), by("skip-validation")...)
		require.Equal(t, 4, o.exit, o.record.Advice)
		require.Equal(t, "2024 2025 2026 2026", rows())
		require.Contains(t, set(), " true ")
		files["20260301000000_more.js"] = strings.ReplaceAll(note, "note", "more")
		o = h.deploy(h.migrating("3.0.1", writes, files), by("stop")...)
		require.Zero(t, o.exit, o.record.Advice)
		require.NotContains(t, set(), " true ", "the next deploy of the chart takes the variable away")
	})

	t.Run("skip-validation does nothing where a column is dropped", func(t *testing.T) {
		o := h.deploy(h.migrating("4.0.0", fails, with("20260401000000_gone.js", drops)), by("skip-validation")...)
		require.Equal(t, 5, o.exit, o.record.Advice)
		require.Contains(t, o.record.Advice, "20260401000000_gone.js drops a column")
		o = stagecrew(t, append(append([]string{"rollback"}, h.cluster()...), by("migrate-down")...)...)
		require.Zero(t, o.exit, "by hand, too: "+o.record.Error+o.record.Advice)
	})

	t.Run("a rollback that is green and writes nothing is none", func(t *testing.T) {
		o := h.deploy(h.migrating("5.0.0", fails, with("20260501000000_hidden.js", hidden)), by("skip-validation")...)
		require.Equal(t, 5, o.exit, o.record.Advice)
		require.Contains(t, o.record.Advice, "deploy/frozen")
		require.Contains(t, o.record.Advice, "42703")
	})
}
