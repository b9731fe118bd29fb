package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// matrix are upgrades of real releases of Backstage that fail, each way back from them, and what visitors
// have of the release then.
type matrix struct {
	target
	images map[string]string
	*tables
}

// tables are the rows of those in docs/migrations.md.
type tables struct{ ways []string }

const corrupt = "The migration directory is corrupt"

// begin makes a namespace in which a release lives on databases of its own.
func (m *matrix) begin(namespace, version string) {
	m.namespace = namespace
	m.values = write(m.t, "values.yaml", "{secrets: {postgresPassword: e2e-password, extra: {SMOKE_TOKEN: e2e-smoke-token}}, rbac: {mode: none}, probes: {startup: {failureThreshold: 200}}}")
	m.apply(m.images[version], filepath.Join(envtest.Env(m.t, "E2E_ROOT"), "charts", "backstage"))
	kubectl(m.t, "-n", namespace, "run", "visitor", "--image", envtest.Env(m.t, "E2E_BASE_IMAGE"), "--restart", "Never", "--command", "--", "sleep", "3600")
	kubectl(m.t, "-n", namespace, "wait", "--for=condition=Ready", "pod/visitor", "--timeout", "2m")
}

func (m *matrix) end() { kubectl(m.t, "delete", "namespace", m.namespace, "--wait=false") }

// visit reads the catalog as a visitor, and registers something in it.
const visit = `const ask = async (path, options) => {
  try {
    const answer = await fetch('http://backstage' + path, { ...options, headers: { authorization: 'Bearer e2e-smoke-token', 'content-type': 'application/json' }, signal: AbortSignal.timeout(10000) });
    return String(answer.status);
  } catch { return 'no answer'; }
};
(async () => {
  const target = 'https://example.com/' + Date.now() + '/catalog-info.yaml';
  console.log(JSON.stringify({
    read: await ask('/api/catalog/entities?limit=1'),
    write: await ask('/api/catalog/locations', { method: 'POST', body: JSON.stringify({ type: 'url', target }) }),
  }));
})();`

// look says who serves, and what visitors get. The way to a pod that has just become ready takes a moment.
func (m *matrix) look() string {
	var seen struct{ Read, Write string }
	var serving []string
	require.Eventually(m.t, func() bool {
		out := kubectl(m.t, "-n", m.namespace, "exec", "visitor", "--", "node", "-e", visit)
		require.NoError(m.t, json.Unmarshal([]byte(out), &seen), out)
		serving = m.serving()
		return seen.Read == "200" || len(serving) == 0
	}, 2*time.Minute, time.Second)
	if len(serving) == 0 {
		return "nobody serves"
	}
	return fmt.Sprintf("%s serves: reads %s, writes %s", strings.Join(serving, " and "), seen.Read, seen.Write)
}

// serving are the releases of the pods that are ready.
func (m *matrix) serving() (all []string) {
	for _, pod := range m.pods() {
		if pod.Ready {
			all = append(all, pod.version)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

type pod struct {
	Name    string
	Ready   bool
	version string
}

func (m *matrix) pods() (all []pod) {
	out := kubectl(m.t, "-n", m.namespace, "get", "pods", "--selector", "app=backstage", "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.spec.containers[0].image} {.metadata.deletionTimestamp}{","}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`)
	for line := range strings.Lines(out) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		image, state, _ := strings.Cut(rest, " ")
		all = append(all, pod{name, state == ",True", versionOf(m.images, image)})
	}
	return all
}

// restart replaces the pods, as the drain of a node does, and waits until each of them serves, or has met databases
// that it does not know.
func (m *matrix) restart() {
	kubectl(m.t, "-n", m.namespace, "delete", "pods", "--selector", "app=backstage")
	require.Eventually(m.t, func() bool {
		pods := m.pods()
		return len(pods) > 0 && !slices.ContainsFunc(pods, func(p pod) bool { return !p.Ready && !m.refuses(p) })
	}, 4*time.Minute, time.Second)
}

// refuses reports whether a pod says that it does not start on these databases.
func (m *matrix) refuses(p pod) bool {
	for _, previous := range []string{"false", "true"} {
		out, _ := exec.CommandContext(m.t.Context(), "kubectl", "--kubeconfig", envtest.Env(m.t, "E2E_KUBECONFIG"), "-n", m.namespace, "logs", p.Name, "-c", "backstage", "--previous="+previous).Output()
		if strings.Contains(string(out), corrupt) || strings.Contains(string(out), "Migration table is already locked") {
			return true
		}
	}
	return false
}

// helm runs Helm itself.
func (m *matrix) helm(args ...string) {
	command := exec.CommandContext(m.t.Context(), envtest.Env(m.t, "E2E_HELM"), append(args, "--namespace", m.namespace, "--kubeconfig", envtest.Env(m.t, "E2E_KUBECONFIG"))...)
	out, err := command.CombinedOutput()
	require.NoError(m.t, err, "helm %v: %s", args, out)
}

// settled waits until a change of the Deployment is through: the pods of before are gone.
func (m *matrix) settled() {
	require.Eventually(m.t, func() bool { return len(m.pods()) == 1 }, 4*time.Minute, time.Second)
}

// row notes a way back, and what it leaves.
func (m *matrix) row(upgrade, way string, exit int, replaced bool) {
	cells := []string{upgrade, way, strconv.Itoa(exit), m.look(), ""}
	if replaced {
		m.restart()
		cells[4] = m.look()
	}
	m.ways = append(m.ways, "| "+strings.Join(cells, " | ")+" |")
	m.t.Log(m.ways[len(m.ways)-1])
}

// ended is the last row of the table.
func (m *matrix) ended(with string) {
	require.True(m.t, strings.HasSuffix(m.ways[len(m.ways)-1], with+" |"), m.ways[len(m.ways)-1])
}

func (m *matrix) migrations() string {
	return m.sql("postgres", "backstage_plugin_catalog", "SELECT string_agg(name, ' ' ORDER BY id) FROM knex_migrations")
}

// by deploys a release with a policy.
func (m *matrix) by(policy, image string, extra ...string) outcome {
	return m.deploy(m.images[image], append([]string{"--allow-unsigned-unsafe", "--soak", "0", "--on-migrated", policy}, extra...)...)
}

// recover is what is done after a deploy that needs a human.
func (m *matrix) recover(extra ...string) outcome {
	return stagecrew(m.t, append(append(append([]string{"recover"}, m.cluster()...), "--allow-unsigned-unsafe", "--soak", "0"), extra...)...)
}

// Four releases of Backstage, whose images the product has built, on a PostgreSQL: what each way back
// does to production, beside Helm's own.
func TestMigrationsOfRealReleases(t *testing.T) {
	if os.Getenv("E2E_REAL") == "" {
		t.Skip("half an hour: make e2e-migrations-real")
	}
	m := &matrix{target: newTarget(t, "e2e-releases"), tables: &tables{}}
	m.images = m.releases()
	t.Run("1.43 to 1.55", m.fromTheOldest)
	t.Run("1.54 to 1.55", m.fromTheOneBefore)
	t.Run("1.53 to 1.55 in two steps", m.stepByStep)
	t.Run("down from 1.55", m.fromTheNewest)
	if !t.Failed() {
		document(t, os.Getenv("E2E_MIGRATIONS_DOCUMENT"), map[string][]string{
			"ways back": append([]string{"| upgrade | way back | exit | production then | and when its pods are replaced |", "|---|---|---|---|---|"}, m.ways...),
		})
	}
}

// in has the steps of a test fail it, and no other.
func (m *matrix) in(t *testing.T) *matrix {
	inner := *m
	inner.t = t
	return &inner
}

const (
	works  = "serves: reads 200, writes 201"
	frozen = "serves: reads 200, writes 500"
	nobody = "nobody serves"
)

func (m *matrix) fromTheOldest(t *testing.T) {
	const upgrade = "1.43 to 1.55"
	h := m.in(t)
	h.begin("e2e-oldest", "1.43")
	defer h.end()
	h.claim("dumps", "1Gi")
	before := h.migrations()
	for _, one := range []struct {
		policy string
		extra  []string
	}{{"restore", []string{"--dump-claim", "dumps"}}, {"migrate-down", nil}} {
		o := h.by(one.policy, "1.55 failing", one.extra...)
		require.Equal(t, 4, o.exit, o.record.Error+o.record.Advice)
		require.Equal(t, record.RollbackNeedsDatabase, o.record.Migrations.Rollback)
		require.Equal(t, before, h.migrations())
		h.settled()
		h.row(upgrade, "`--on-migrated "+one.policy+"`", 4, true)
		h.ended("1.43 " + works)
	}

	o := h.by("skip-validation", "1.55 failing")
	require.Equal(t, 5, o.exit, o.record.Error+o.record.Advice)
	require.NotEqual(t, before, h.migrations())
	h.row(upgrade, "`--on-migrated skip-validation`", 5, false)
	o = h.recover("--on-migrated", "migrate-down")
	require.Equal(t, 4, o.exit, o.record.Error+o.record.Advice)
	require.Equal(t, before, h.migrations())
	h.settled()
	h.row(upgrade, "then `recover --on-migrated migrate-down`", 4, true)
	h.ended("1.43 " + works)
	h.leftAlone(upgrade)
}

// leftAlone is the policy stop, and what plain Helm does with what that leaves.
func (m *matrix) leftAlone(upgrade string) {
	o := m.by("stop", "1.55 failing")
	require.Equal(m.t, 5, o.exit, o.record.Error+o.record.Advice)
	m.row(upgrade, "`--on-migrated stop`", 5, false)
	m.helm("rollback", "backstage")
	m.settled()
	m.row(upgrade, "`helm rollback`", 0, true)
	m.ended(nobody)
}

func (m *matrix) fromTheOneBefore(t *testing.T) {
	h := m.in(t)
	h.begin("e2e-before", "1.54")
	defer h.end()
	h.leftAlone("1.54 to 1.55")
}

func (m *matrix) stepByStep(t *testing.T) {
	h := m.in(t)
	h.begin("e2e-steps", "1.53")
	defer h.end()
	o := h.by("stop", "1.54 failing")
	require.Equal(t, 4, o.exit, o.record.Error+o.record.Advice)
	require.Equal(t, record.RollbackFree, o.record.Migrations.Rollback)
	h.settled()
	h.row("1.53 to 1.54", "`--on-migrated stop`", 4, true)
	h.ended("1.53 " + works)
	require.Zero(t, h.by("stop", "1.54").exit)
	h.settled()
	h.locked()

	o = h.by("skip-validation", "1.55 failing")
	require.Equal(t, 4, o.exit, o.record.Error+o.record.Advice)
	h.settled()
	h.row("1.54 to 1.55", "`--on-migrated skip-validation`", 4, true)
	h.ended("1.54 " + works)
}

func (m *matrix) fromTheNewest(t *testing.T) {
	h := m.in(t)
	h.begin("e2e-newest", "1.55")
	defer h.end()
	h.downgrade()
}

// locked is a lock that a killed pod has left. Helm's own way is tried with an image that adds no migration.
func (m *matrix) locked() {
	m.sql("postgres", "backstage_plugin_catalog", "UPDATE knex_migrations_lock SET is_locked = 1")
	for _, version := range []string{"1.55", "1.53"} {
		o := m.by("stop", version)
		require.Equal(m.t, 1, o.exit, o.record.Error+o.record.Advice)
		require.Contains(m.t, o.record.Error, "[deploy/migrations-locked]")
		m.row("1.54 to "+version+", locked", "`deploy`", 1, false)
	}
	m.upgrade("1.53")
	m.meets("1.53")
	m.helm("rollback", "backstage")
	m.settled()
	m.row("1.54 to 1.53, locked", "`helm upgrade`, `helm rollback`", 0, true)
	m.ended(nobody)
	o := m.recover("--unlock-migrations")
	require.Zero(m.t, o.exit, o.record.Error+o.record.Advice)
	require.Eventually(m.t, func() bool { return len(m.serving()) > 0 }, 4*time.Minute, time.Second)
	m.row("1.54, locked", "`recover --unlock-migrations`", 0, true)
	m.ended("1.54 " + works)
}

// meets waits until a pod of a release says that it does not start on these databases.
func (m *matrix) meets(version string) {
	require.Eventually(m.t, func() bool {
		return slices.ContainsFunc(m.pods(), func(p pod) bool { return p.version == version && m.refuses(p) })
	}, 4*time.Minute, time.Second)
}

func (m *matrix) downgrade() {
	const upgrade = "1.55 to 1.54"
	o := m.by("stop", "1.54", "--require-safe-rollback")
	require.Equal(m.t, 1, o.exit, o.record.Error)
	require.Contains(m.t, o.record.Error, "lacks 2 migrations")
	o = m.by("stop", "1.54")
	require.Equal(m.t, 4, o.exit, o.record.Error+o.record.Advice)
	require.Contains(m.t, o.record.Cause.Message, corrupt)
	m.settled()
	m.row(upgrade, "`deploy`", 4, true)
	m.ended("1.55 " + works)
	m.upgrade("1.54")
	m.meets("1.54")
	m.row(upgrade, "`helm upgrade`", 0, true) // the rollout is stuck, and the old ReplicaSet's pod comes back
	m.ended("1.55 " + works)
}

// upgrade is what somebody does without the product.
func (m *matrix) upgrade(version string) {
	repository, digest, _ := strings.Cut(m.images[version], "@")
	m.helm("upgrade", "backstage", filepath.Join(envtest.Env(m.t, "E2E_ROOT"), "charts", "backstage"), "--values", m.values, "--set", "image.repository="+repository, "--set", "image.digest="+digest)
}

// document writes tables between their marks.
func document(t *testing.T, path string, tables map[string][]string) {
	if path == "" {
		return
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, table := range tables {
		marks := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n).*(<!-- end of ` + name + ` -->)`)
		require.Regexp(t, marks, string(content))
		content = marks.ReplaceAll(content, []byte("${1}\n"+strings.Join(table, "\n")+"\n${2}"))
	}
	require.NoError(t, os.WriteFile(path, content, 0o600))
}
