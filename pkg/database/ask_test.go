package database

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	patience = 2 * time.Minute
	tick     = 20 * time.Millisecond
)

func names(t record.MigrationTable) (all []string) {
	for _, r := range t.Rows {
		all = append(all, r.Name)
	}
	return all
}

func TestAllDatabasesOfThePluginsAreAskedAndNoOther(t *testing.T) {
	w := newWorld(t, "ask_")
	w.admin("postgres", `CREATE DATABASE "ask_catalog"`, `CREATE DATABASE "ask_user-settings"`, `CREATE DATABASE "askew"`)
	w.knex("ask_catalog", "knex_migrations", []string{"1_init.js", "2_more.js"}, []string{"3_new.js"})
	w.knex("ask_catalog", "backstage_backend_tasks__knex_migrations", []string{"20210928160613_init.js"})
	w.knex("ask_user-settings", "knex_migrations", []string{"20220824183000_init.js"})
	w.knex("askew", "knex_migrations", []string{"other.js"})

	all, err := w.database().Applied(t.Context())
	require.NoError(t, err)
	require.Len(t, all.Tables, 3)
	require.Equal(t, "ask_catalog: backstage_backend_tasks__knex_migrations", all.Tables[0].String())
	require.Equal(t, []string{"1_init.js", "2_more.js", "3_new.js"}, names(all.Tables[1]))
	require.Equal(t, 2, all.Tables[1].Rows[2].Batch)
	require.Equal(t, "ask_user-settings", all.Tables[2].Database)
	require.Empty(t, all.Locked())
}

// With pluginDivisionMode: schema all plugins are in the database that the connection
// names, and the user need not be let into any other (backstage/backstage#11521).
func TestPluginsMayHaveSchemasOfOneDatabase(t *testing.T) {
	w := newWorld(t, "no_such_")
	w.admin("postgres", "CREATE ROLE portal LOGIN PASSWORD '"+password+"'", "CREATE DATABASE portal OWNER portal", "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
	w.admin("portal", "CREATE SCHEMA catalog AUTHORIZATION portal", "SET ROLE portal", "CREATE TABLE catalog.knex_migrations (id serial, name text, batch int, migration_time timestamptz)",
		"INSERT INTO catalog.knex_migrations (name, batch) VALUES ('1_init.js', 1)")
	w.place.name, w.place.user = "portal", "portal"
	all, err := w.database().Applied(t.Context())
	require.NoError(t, err)
	require.Len(t, all.Tables, 1)
	require.Equal(t, "portal: catalog.knex_migrations", all.Tables[0].String())
}

func TestWhyADatabaseDoesNotTell(t *testing.T) {
	w := newWorld(t, "why_")
	w.admin("postgres", "CREATE DATABASE why_catalog", "CREATE ROLE guest LOGIN PASSWORD '"+password+"'")
	w.knex("why_catalog", "knex_migrations", []string{"1_init.js"})
	for name, c := range map[string]struct {
		change func(*world)
		code   string
	}{
		"a wrong password":          {func(w *world) { w.place.password = "open sesame" }, "database/wrong-password"},
		"a user that there is not":  {func(w *world) { w.place.user = "nobody" }, "database/wrong-password"},
		"a user that may not read":  {func(w *world) { w.place.user = "guest" }, "database/no-rights"},
		"nobody listens there":      {func(w *world) { w.server.Folder = "/nowhere" }, "database/unreachable"},
		"a host outside, that does": {func(w *world) { w.place.host = "127.0.0.1"; w.place.port = 1 }, "database/unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			other := *w
			c.change(&other)
			_, err := other.database().Applied(t.Context())
			require.Equal(t, c.code, record.CodeOf(err), "%v", err)
			require.NotContains(t, err.Error(), other.place.password)
		})
	}
}

// A server may let in by host, encryption and database: that it does not let in those who
// ask says nothing about the pods (pgbouncer/pgbouncer#812, joshstevens19/rindexer#116),
// which have no way into the database postgres either where somebody runs it for them.
func TestWhoIsLetInByHostSaysNothingAboutThePods(t *testing.T) {
	w := newWorld(t, "hba_")
	w.admin("postgres", "CREATE ROLE hba LOGIN PASSWORD '"+password+"'", "CREATE DATABASE hba_portal OWNER hba")
	w.knex("hba_portal", "knex_migrations", []string{"1_init.js"})
	w.admin("hba_portal", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO hba")
	file := filepath.Join(w.server.Folder, "data", "pg_hba.conf")
	rules, err := os.ReadFile(file)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.WriteFile(file, rules, 0o600)) })
	w.place.user, w.place.name = "hba", "hba_portal"
	letIn := func(rule string) {
		require.NoError(t, os.WriteFile(file, append([]byte(rule), rules...), 0o600))
		w.admin("postgres", "SELECT pg_reload_conf()")
	}

	letIn("local postgres hba reject\n")
	require.Eventually(t, func() bool {
		_, err := w.database().connect(t.Context(), "postgres")
		return record.CodeOf(err) == "database/not-let-in"
	}, patience, tick)
	all, err := w.database().Applied(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"1_init.js"}, names(all.Tables[0]))

	letIn("local all hba reject\n")
	require.Eventually(t, func() bool {
		_, err := w.database().Applied(t.Context())
		return record.CodeOf(err) == "database/not-let-in"
	}, patience, tick)
}

// pod uses the database of the world.
func pod(name string, ready, probed bool, address string) *corev1.Pod {
	c := corev1.Container{Name: "backstage", Env: []corev1.EnvVar{{Name: "POSTGRES_HOST", Value: "db"}}}
	if probed {
		c.ReadinessProbe = &corev1.Probe{}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "prod"}, Spec: corev1.PodSpec{Containers: []corev1.Container{c}},
		Status: corev1.PodStatus{PodIP: address, ContainerStatuses: []corev1.ContainerStatus{{Name: "backstage", Ready: ready,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Unix(1700000000, 0))}}}}},
	}
}

// Of 21 kills of a migrating backend 11 left the lock held with a part of the files
// applied; others met it as well (lightdash/helm-charts#134, balena-os/balena-supervisor#598,
// backstage/backstage#26546).
func TestALockIsFreedWhenNobodyLivesWhoMayHoldIt(t *testing.T) {
	w := newWorld(t, "lock_")
	w.admin("postgres", "CREATE DATABASE lock_catalog")
	w.knex("lock_catalog", "knex_migrations", []string{"1_init.js"})
	c := w.admin("lock_catalog", "UPDATE knex_migrations_lock SET is_locked = 1")

	t.Run("a pod that is not ready may hold it", func(t *testing.T) {
		w.pods = append(w.pods[:0:0], pod("new", false, true, "10.0.0.2"))
		_, err := w.database().Unlock(t.Context())
		require.Equal(t, "database/lock-held", record.CodeOf(err))
		require.ErrorContains(t, err, "Pod/new container backstage, which runs since 2023-11-14T22:13:20Z and is not ready")
	})
	t.Run("one without a readiness probe may hold it although it is ready", func(t *testing.T) {
		w.pods = append(w.pods[:0:0], pod("new", true, false, "10.0.0.2"))
		_, err := w.database().Unlock(t.Context())
		require.ErrorContains(t, err, "no readiness probe")
	})
	w.pods = append(w.pods[:0:0], pod("old", true, true, "10.0.0.1"))
	t.Run("a connection from elsewhere that is at work may be its holder's", func(t *testing.T) {
		tx, err := c.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "SELECT 1")
		require.NoError(t, err)
		_, err = w.database().Unlock(t.Context())
		require.ErrorContains(t, err, `of "stagecrew"`)
		require.ErrorContains(t, err, "idle in transaction")
		require.NoError(t, tx.Rollback(t.Context()))
	})
	t.Run("else it is freed", func(t *testing.T) {
		all, err := w.database().Applied(t.Context())
		require.NoError(t, err)
		require.Len(t, all.Locked(), 1)
		require.WithinDuration(t, time.Now(), all.Locked()[0].Lock.Since, time.Hour, "the server keeps the times of commits")
		require.Contains(t, all.Locked()[0].Lock.String(), "by nobody who lives")
		freed, err := w.database().Unlock(t.Context())
		require.NoError(t, err)
		require.Len(t, freed, 1)
		all, err = w.database().Applied(t.Context())
		require.NoError(t, err)
		require.Empty(t, all.Locked())
	})
}

// Pods that make the lock at once leave it with several rows: all of them, and all that
// come after them, say that it is held although it is not (knex/knex#3538; in
// backstage/backstage#24284 a lock that was freed by hand stayed so).
func TestALockWithSeveralRowsIsMended(t *testing.T) {
	w := newWorld(t, "rows_")
	w.admin("postgres", "CREATE DATABASE rows_catalog")
	w.knex("rows_catalog", "knex_migrations", []string{"1_init.js"})
	c := w.admin("rows_catalog", "INSERT INTO knex_migrations_lock (is_locked) VALUES (0), (0)")
	all, err := w.database().Applied(t.Context())
	require.NoError(t, err)
	require.Equal(t, "knex_migrations_lock has 3 rows instead of one, so that knex cannot take it", all.Locked()[0].Lock.String())
	_, err = w.database().Unlock(t.Context())
	require.NoError(t, err)
	var rows, locked int
	require.NoError(t, c.QueryRow(t.Context(), "SELECT count(*), max(is_locked) FROM knex_migrations_lock").Scan(&rows, &locked))
	require.Equal(t, []int{1, 0}, []int{rows, locked})
}
