package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// entities are those of a catalog of a middling company, in tables like a catalog's: of its
// own ones the catalog would take them away, as nothing refers to them.
const entities = `
CREATE TABLE refresh_state (entity_id varchar PRIMARY KEY, entity_ref varchar UNIQUE, unprocessed_entity text, errors text, next_update_at timestamptz DEFAULT now());
CREATE TABLE final_entities (entity_id varchar PRIMARY KEY REFERENCES refresh_state ON DELETE CASCADE, hash varchar, final_entity text);
CREATE TABLE search (entity_id varchar REFERENCES final_entities ON DELETE CASCADE, key varchar, value varchar);
CREATE INDEX search_key ON search (key, value);
INSERT INTO refresh_state SELECT md5(i::text), 'component:default/c' || i, repeat('{"kind":"Component"}', 20), '[]' FROM generate_series(1, 10000) i;
INSERT INTO final_entities SELECT entity_id, md5(entity_ref), unprocessed_entity FROM refresh_state;
INSERT INTO search SELECT entity_id, 'metadata.name', entity_ref FROM refresh_state;
INSERT INTO todos (title) SELECT 'todo ' || i FROM generate_series(1, 100) i;
CREATE VIEW titles AS SELECT title FROM todos`

// content stands for all of that database as text, of which it has the hash: it is long.
func (h target) content() string {
	out, err := h.in("pg_dump", "-U", "postgres", "backstage_plugin_todo")
	require.NoError(h.t, err, out)
	var lines []string
	for line := range strings.Lines(out) {
		if !strings.Contains(line, "restrict ") { // random words
			lines = append(lines, line)
		}
	}
	return fmt.Sprintf("%d lines, %x", len(lines), sha256.Sum256([]byte(strings.Join(lines, ""))))
}

func (h target) claim(name, size string) {
	kubectl(h.t, "-n", h.namespace, "apply", "-f", write(h.t, "claim.yaml", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: "+name+"}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: "+size+"}}}\n"))
}

// small makes a claim with a volume of its own of that size, until it is taken away.
func (h target) small(size string) (remove func()) {
	path := "/tmp/" + h.namespace + "-small"
	inside := func(args ...string) {
		out, err := exec.CommandContext(h.t.Context(), "nsenter", append([]string{"-t", h.sandboxPID(), "-m"}, args...)...).CombinedOutput()
		require.NoError(h.t, err, "%s", out)
	}
	inside("mkdir", "-p", path)
	inside("mount", "-t", "tmpfs", "-o", "mode=777,size="+size, "tmpfs", path)
	kubectl(h.t, "-n", h.namespace, "apply", "-f", write(h.t, "small.yaml", "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: e2e-small}\nspec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, storageClassName: none, persistentVolumeReclaimPolicy: Retain, hostPath: {path: "+path+"}}\n"+
		"---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: small}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: none, volumeName: e2e-small}\n"))
	return func() {
		kubectl(h.t, "-n", h.namespace, "delete", "pvc/small", "pv/e2e-small")
		inside("umount", path)
		inside("rmdir", path)
	}
}

// hold takes a lock in the database of the plugin until the end of the test, or until it is let go.
func (h target) hold(statement string) (letGo func()) {
	cmd := exec.CommandContext(h.t.Context(), "kubectl", "--kubeconfig", envtest.Env(h.t, "E2E_KUBECONFIG"), "-n", h.namespace, "exec", "psql-postgresql-0", "--",
		"psql", "-U", "postgres", "-d", "backstage_plugin_todo", "-c", "BEGIN; "+statement+"; SELECT pg_sleep(600)")
	require.NoError(h.t, cmd.Start())
	require.Eventually(h.t, func() bool {
		return h.sql("postgres", "postgres", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()") == "1"
	}, time.Minute, 200*time.Millisecond)
	return func() {
		h.sql("postgres", "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()")
		_ = cmd.Wait()
	}
}

func TestMigrationsAreUndoneByADumpOfBefore(t *testing.T) {
	h := newTarget(t, "e2e-dumps")
	h.values = write(t, "values.yaml", "{secrets: {postgresPassword: e2e-password}, rbac: {mode: none}, probes: {startup: {failureThreshold: 20}}}")
	restore := []string{"--allow-unsigned-unsafe", "--soak", "0", "--on-migrated", "restore", "--dump-claim", "dumps", "--timeout", "5m"}
	h.apply(h.migrating("1.0.0", "", nil), filepath.Join(envtest.Env(t, "E2E_ROOT"), "charts", "backstage"))
	h.sql("backstage", "backstage_plugin_todo", entities)
	before := h.content()
	failing := h.migrating("2.0.0", "await knex('todos').insert({ title: 'lost', owner: 'nobody' }); await knex('todos').where('id', '<', 11).del(); "+fails, map[string]string{"20260101000000_owner.js": more})
	live := func() string { return h.status()[0].Image }
	one := live()
	refused := func(t *testing.T, code string, o outcome) {
		require.Equal(t, 1, o.exit)
		require.Contains(t, o.record.Error, code)
		require.Equal(t, one, live())
		require.Equal(t, before, h.content())
		require.Empty(t, kubectl(t, "-n", h.namespace, "get", "jobs", "-o", "name"))
		require.NotContains(t, o.stdout+o.stderr, "e2e-password")
	}

	preflight := func(extra ...string) outcome {
		return stagecrew(t, append(append([]string{"preflight", "--image", failing}, h.chart()...), append([]string{"--on-migrated", "restore", "--dump-claim", "dumps", "--dump-identity", "age/key"}, extra...)...)...)
	}
	t.Run("preflight names all that is missing", func(t *testing.T) {
		o := preflight()
		require.Equal(t, 1, o.exit)
		require.Contains(t, o.record.Error, "there is no PersistentVolumeClaim dumps")
		require.Contains(t, o.record.Error, "there is no Secret age")
		require.Contains(t, o.record.Error, "[database/no-identity]")
	})
	t.Run("without a volume nothing is deployed", func(t *testing.T) {
		refused(t, "[database/no-claim]", h.deploy(failing, restore...))
	})
	h.claim("dumps", "1Gi")
	t.Run("preflight is content when it is there", func(t *testing.T) {
		require.Zero(t, preflight("--dump-identity", "").exit)
	})
	t.Run("nor where the volume is too small", func(t *testing.T) {
		defer h.small("1m")()
		refused(t, "[database/no-space]", h.deploy(failing, append(restore, "--dump-claim", "small")...))
	})
	t.Run("nor with an image that has no tools of PostgreSQL", func(t *testing.T) {
		refused(t, "[database/no-tools]", h.deploy(failing, append(restore, "--dump-image", "busybox:1.36")...))
	})
	t.Run("nor when the dump fails midway", func(t *testing.T) {
		letGo := h.hold("ALTER VIEW titles SET (security_barrier = true)")
		ended := make(chan outcome, 1)
		go func() { ended <- h.deploy(failing, restore...) }()
		const dumps = "FROM pg_stat_activity WHERE datname = 'backstage_plugin_todo' AND application_name = 'stagecrew' AND wait_event_type = 'Lock'"
		require.Eventually(t, func() bool { return h.sql("postgres", "postgres", "SELECT count(*) "+dumps) != "0" }, 3*time.Minute, 200*time.Millisecond)
		h.sql("postgres", "postgres", "SELECT pg_terminate_backend(pid) "+dumps)
		letGo()
		refused(t, "[database/dump-failed]", <-ended)
	})
	t.Run("nor with a wrong password", func(t *testing.T) {
		h.sql("postgres", "postgres", "ALTER ROLE backstage PASSWORD 'another'")
		defer h.sql("postgres", "postgres", "ALTER ROLE backstage PASSWORD 'e2e-password'")
		o := h.deploy(failing, restore...)
		require.Equal(t, 1, o.exit)
		require.Contains(t, o.record.Error, "database/wrong-password")
	})

	t.Run("a failed release is rolled back, and its databases are", func(t *testing.T) {
		o := h.deploy(failing, restore...)
		require.Equal(t, 4, o.exit)
		require.Equal(t, record.VerdictRolledBack, o.record.Verdict)
		require.Equal(t, before, h.content())
		require.Equal(t, "dumps", o.record.Dump.Claim)
		require.True(t, o.record.Undo.Done)
		require.Contains(t, o.record.Undo.Lost, record.LostWrites{Database: "backstage_plugin_todo", Table: "public.todos", Inserted: 1, Deleted: 10})
		require.NotContains(t, o.stdout+o.stderr, "e2e-password")
		require.Empty(t, kubectl(t, "-n", h.namespace, "get", "jobs", "-o", "name"))
	})

	t.Run("a run that is killed while it restores is finished by recover", func(t *testing.T) {
		ctx := h.start(failing, restore...)
		require.Eventually(t, func() bool {
			return strings.Contains(kubectl(t, "-n", h.namespace, "get", "jobs", "-o", "name"), "restore-backstage")
		}, 8*time.Minute, 100*time.Millisecond)
		require.NoError(t, ctx.Process.Kill())
		_ = ctx.Wait()
		recover := append(append([]string{"recover"}, h.cluster()...), "--allow-unsigned-unsafe", "--soak", "0", "--on-migrated", "restore", "--dump-claim", "dumps")
		o := stagecrew(t, recover...)
		require.Equal(t, 4, o.exit)
		require.Equal(t, record.VerdictRolledBack, o.record.Verdict)
		require.Equal(t, before, h.content())
	})
}

// start starts a deploy that is not waited for.
func (h target) start(image string, extra ...string) *exec.Cmd {
	cmd := exec.CommandContext(h.t.Context(), envtest.Env(h.t, "E2E_STAGECREW"), append(append([]string{"deploy", "--image", image}, extra...), h.chart()...)...)
	cmd.Dir = h.t.TempDir()
	require.NoError(h.t, cmd.Start())
	return cmd
}

// sandboxPID is the first process of the sandbox.
func (h target) sandboxPID() string {
	out, err := exec.CommandContext(h.t.Context(), envtest.Env(h.t, "E2E_SANDBOX"), "status", "--name", envtest.Env(h.t, "E2E_SANDBOX_NAME"), "--output", "json").Output()
	require.NoError(h.t, err)
	var document struct{ Kubeconfig string }
	require.NoError(h.t, json.Unmarshal(out, &document))
	pid, err := exec.CommandContext(h.t.Context(), "cat", strings.Replace(document.Kubeconfig, "kubeconfig.yaml", "pid", 1)).Output()
	require.NoError(h.t, err)
	return strings.Fields(string(pid))[0]
}
