package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// The sandbox has no engine that enforces NetworkPolicies: who reaches whom is tried
// on the rendered policies, in charts/policies_test.go.

// image builds the example once for the tests of the database.
func (h target) image() string {
	o := stagecrew(h.t, "build", "--source", envtest.Env(h.t, "E2E_SOURCE"), "--base-image", envtest.Env(h.t, "E2E_BASE_IMAGE"),
		"--repository", h.images, "--version-label", "1.0.0", "--output", "json")
	require.Zero(h.t, o.exit)
	return o.record.Image.String()
}

// apply deploys a chart without a soak: the database is looked at afterwards.
func (h target) apply(image, chart string) {
	o := stagecrew(h.t, append(append([]string{"deploy"}, h.cluster()...), "--chart", chart, "--values", h.values, "--image", image, "--allow-unsigned-unsafe", "--soak", "0")...)
	require.Zero(h.t, o.exit)
	require.Equal(h.t, record.VerdictGood, o.record.Verdict)
}

// in runs a program in the pod of the database, and gives all that it writes, but
// not what kubectl itself does.
func (h target) in(args ...string) (string, error) {
	args = append([]string{"--kubeconfig", envtest.Env(h.t, "E2E_KUBECONFIG"), "-n", h.namespace, "exec", "psql-postgresql-0", "--",
		"sh", "-c", `exec "$@" 2>&1`, "sh"}, args...)
	out, err := exec.CommandContext(h.t.Context(), "kubectl", args...).Output()
	return strings.TrimSpace(string(out)), err
}

// sql asks the database as somebody who is inside of its pod.
func (h target) sql(user, database, query string) string {
	out, err := h.in("psql", "-U", user, "-d", database, "-Atc", query)
	require.NoError(h.t, err, out)
	return out
}

// client connects as Backstage's user by the network.
func (h target) client(sslMode, query string) (string, error) {
	return h.in("sh", "-c", `PGPASSWORD=e2e-password PGSSLMODE=$0 psql -h psql-postgresql -U backstage -d postgres -Atc "$1"`, sslMode, query)
}

const (
	rights   = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = 'backstage'"
	noRights = "f|t|f|f|f"
	// plain counts the connections of Backstage, and those that anybody on the way could read.
	plain = "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'backstage' AND client_addr IS NOT NULL"
)

// connects waits until all of Backstage's connections are encrypted: a pod of the
// revision before may take its time to end.
func (h target) connects(superuser string) {
	require.Eventually(h.t, func() bool {
		secure, open, _ := strings.Cut(h.sql(superuser, "postgres", plain), "|")
		return secure != "0" && open == "0"
	}, 2*time.Minute, time.Second)
}

func TestBackstageIsNoSuperuserAndItsConnectionsAreEncrypted(t *testing.T) {
	t.Parallel()
	h := newTarget(t, "e2e-database").alone()
	h.apply(h.image(), filepath.Join(envtest.Env(t, "E2E_ROOT"), "charts", "backstage"))

	require.Equal(t, noRights, h.sql("postgres", "postgres", rights))
	require.Equal(t, "backstage", h.sql("postgres", "postgres", "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'backstage_plugin_catalog'"))
	h.connects("postgres")
	out, err := h.client("require", "SELECT 'in'")
	require.NoError(t, err, out)
	require.Equal(t, "in", out)
	out, err = h.client("disable", "SELECT 'in'")
	require.Error(t, err)
	require.Contains(t, out, "no encryption")
	out, err = h.client("require", "CREATE ROLE another SUPERUSER")
	require.Error(t, err)
	require.Contains(t, out, "must be superuser")
	_, err = h.in("sh", "-c", "env | grep POSTGRES_PASSWORD")
	require.Error(t, err, "nobody keeps the superuser's password")
	// A restart finds a database that is whole.
	kubectl(t, "-n", h.namespace, "delete", "pod", "psql-postgresql-0")
	kubectl(t, "-n", h.namespace, "rollout", "status", "statefulset/psql-postgresql", "--timeout", "2m")
	require.Equal(t, noRights, h.sql("postgres", "postgres", rights))

	// With rbac.mode none there is nothing to read, and no token to read it with.
	_, err = exec.CommandContext(t.Context(), "kubectl", "--kubeconfig", envtest.Env(t, "E2E_KUBECONFIG"), "-n", h.namespace,
		"exec", "deployment/backstage", "-c", "backstage", "--", "ls", "/var/run/secrets/kubernetes.io/serviceaccount").CombinedOutput()
	require.Error(t, err)
}

func TestAnInstallationOfTheChartOfBeforeGoesOn(t *testing.T) {
	t.Parallel()
	h := newTarget(t, "e2e-before").alone()
	image, root := h.image(), envtest.Env(t, "E2E_ROOT")
	h.apply(image, filepath.Join(root, "test", "e2e", "testdata", "chart-0.1.0"))
	require.Equal(t, "t", h.sql("backstage", "postgres", "SELECT rolsuper FROM pg_roles WHERE rolname = 'backstage'"))
	h.sql("backstage", "postgres", "CREATE DATABASE kept")
	h.sql("backstage", "kept", "CREATE TABLE kept (id serial PRIMARY KEY, word text); INSERT INTO kept (word) VALUES ('kept')")
	volume := kubectl(t, "-n", h.namespace, "get", "pvc", "data-psql-postgresql-0", "-o", "jsonpath={.spec.volumeName}")

	h.apply(image, filepath.Join(root, "charts", "backstage"))
	require.Equal(t, volume, kubectl(t, "-n", h.namespace, "get", "pvc", "data-psql-postgresql-0", "-o", "jsonpath={.spec.volumeName}"))
	require.Equal(t, "kept", h.sql("backstage", "kept", "SELECT word FROM kept"))
	h.connects("backstage")
	out, err := h.client("disable", "SELECT 'in'")
	require.NoError(t, err, "pods of the revision before connect without TLS: %s", out)

	for range 2 {
		out, err = h.in("sh", "/scripts/take-superuser-away.sh")
		require.NoError(t, err, out)
		require.Equal(t, noRights, h.sql("postgres", "postgres", rights))
	}
	require.Equal(t, "postgres", h.sql("postgres", "postgres", "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolsuper"))
	require.Empty(t, h.sql("postgres", "postgres", "SELECT rolpassword FROM pg_authid WHERE rolsuper"))
	require.Equal(t, "backstage", h.sql("postgres", "kept", "SELECT tableowner FROM pg_tables WHERE tablename = 'kept'"))
	out, err = h.client("require", "CREATE DATABASE plugin")
	require.NoError(t, err, out)
	// Backstage can go on, and so can a pod that starts anew.
	kubectl(t, "-n", h.namespace, "rollout", "restart", "deployment/backstage")
	kubectl(t, "-n", h.namespace, "rollout", "status", "deployment/backstage", "--timeout", "5m")
	h.connects("postgres")
}
