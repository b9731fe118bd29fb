package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

const (
	// verdictTime and verdictBytes are what the verdict on a pair may take.
	verdictTime  = 3.0
	verdictBytes = 2 << 20
)

// eachPair takes the verdict on each ordered pair of releases, and has their backends try it: on databases of the live
// one the next one starts, and then the live one again.
func (m *matrix) eachPair() {
	header := "| live | to " + strings.Join(versions, " | to ") + " |"
	m.pairs = append(m.pairs, header, strings.Repeat("|---", len(versions)+1)+"|")
	var bytes int64
	var seconds float64
	for _, live := range versions {
		prefix := "from" + strings.ReplaceAll(live, ".", "") + "_"
		m.starts(map[string]string{prefix: live})
		next, again := map[string]string{}, map[string]string{}
		for _, version := range versions {
			if version != live {
				next[m.branch(prefix, version)], again[m.branch(prefix, version)] = version, live
			}
		}
		before := m.applied(prefix)
		started := m.starts(next)
		restarted := m.starts(again)
		cells := []string{live}
		for _, version := range versions {
			if version == live {
				cells = append(cells, "")
				continue
			}
			name := nameOf(prefix, version)
			v := m.verdict(live, version)
			bytes, seconds = max(bytes, v.Bytes), max(seconds, v.Seconds)
			require.Equal(m.t, v.Rollback == record.RollbackFree, restarted[name], "%s to %s and back: %s", live, version, v)
			require.Equal(m.t, !v.Downgrades(), started[name], "%s to %s: %s", live, version, v)
			require.Equal(m.t, len(m.applied(name))-len(before), added(v), "%s to %s: %s", live, version, v)
			cells = append(cells, cell(live, v))
		}
		m.pairs = append(m.pairs, "| "+strings.Join(cells, " | ")+" |")
		m.t.Log(m.pairs[len(m.pairs)-1])
	}
	m.pairs = append(m.pairs, "", fmt.Sprintf("Each verdict took at most %.1f s and %d kB from the registry.", seconds, (bytes+999)/1000))
	require.Less(m.t, seconds, verdictTime)
	require.Less(m.t, bytes, int64(verdictBytes))
}

// verdict is what the command says of a pair.
func (m *matrix) verdict(live, next string) record.Migrations {
	o := stagecrew(m.t, "migrations", "--from", m.images[live], "--to", m.images[next], "--output", "json")
	require.NotNil(m.t, o.record.Migrations)
	require.Equal(m.t, o.record.Migrations.Rollback != record.RollbackFree, o.exit == 1)
	return *o.record.Migrations
}

func added(v record.Migrations) (n int) {
	for _, p := range v.Plugins {
		n += len(p.Added)
	}
	return n
}

func cell(live string, v record.Migrations) string {
	switch {
	case v.Downgrades():
		return fmt.Sprintf("downgrade, lacks %d: does not start", len(v.Plugins[0].Missing))
	case v.Rollback == record.RollbackFree:
		return "free: " + live + " starts again"
	}
	return fmt.Sprintf("%s, %d files: %s does not start again", v.Rollback, added(v), live)
}

func nameOf(prefix, version string) string {
	return strings.TrimSuffix(prefix, "_") + "to" + strings.ReplaceAll(version, ".", "") + "_"
}

// branch copies the databases with a prefix, for another release.
func (m *matrix) branch(prefix, version string) string {
	name := nameOf(prefix, version)
	for _, plugin := range []string{"app", "catalog"} {
		m.sql("postgres", "postgres", fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s OWNER backstage", name+plugin, prefix+plugin))
	}
	return name
}

// applied are the migrations of the catalog in a database with a prefix.
func (m *matrix) applied(prefix string) []string {
	return strings.Fields(m.sql("postgres", prefix+"catalog", "SELECT string_agg(name, ' ') FROM knex_migrations"))
}

// backendPod is a pod of a release's backend on databases with a prefix of their own.
const backendPod = `
apiVersion: v1
kind: Pod
metadata: {name: %[1]s}
spec:
  restartPolicy: Never
  containers:
  - name: backstage
    image: %[2]s
    envFrom: [{configMapRef: {name: backstage-env-config}}, {secretRef: {name: backstage-secrets}}]
    env: [{name: APP_CONFIG_backend_database_prefix, value: %[3]s}]
    readinessProbe: {httpGet: {path: /.backstage/health/v1/readiness, port: 7007}, periodSeconds: 1}
---
`

// starts starts a release on the databases of each prefix, and says which became ready; the others say that they do not
// know these databases.
func (m *matrix) starts(releases map[string]string) map[string]bool {
	var manifest strings.Builder
	for prefix, version := range releases {
		fmt.Fprintf(&manifest, backendPod, strings.TrimSuffix(prefix, "_"), m.images[version], prefix)
	}
	file := write(m.t, "pods.yaml", manifest.String())
	kubectl(m.t, "-n", m.namespace, "apply", "-f", file)
	started := map[string]bool{}
	for prefix := range releases {
		name := "pod/" + strings.TrimSuffix(prefix, "_")
		require.Eventually(m.t, func() bool {
			started[prefix] = kubectl(m.t, "-n", m.namespace, "get", name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`) == "True"
			out, _ := exec.CommandContext(m.t.Context(), "kubectl", "--kubeconfig", envtest.Env(m.t, "E2E_KUBECONFIG"), "-n", m.namespace, "logs", name).Output()
			return started[prefix] || strings.Contains(string(out), corrupt)
		}, 5*time.Minute, time.Second, "%s: %s", name, releases[prefix])
	}
	kubectl(m.t, "-n", m.namespace, "delete", "-f", file)
	return started
}
