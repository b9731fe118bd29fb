package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

const (
	// verdictTime and verdictBytes are what a verdict may take.
	verdictTime  = 3.0
	verdictBytes = 2 << 20
)

// pairs are the releases of a matrix as pods by themselves, each on databases with a prefix of its own.
type pairs struct {
	matrix
	pod map[string]any // that of the Deployment, which knows how the database is reached
}

// The verdict on each ordered pair of four releases of Backstage, against what their backends leave in real databases, and
// do on each other's: the new one on a copy of what the live one has left, and then the live one again.
func TestMigrationsOfEachPair(t *testing.T) {
	if os.Getenv("E2E_REAL") == "" {
		t.Skip("a quarter of an hour: make e2e-migration-pairs")
	}
	p := &pairs{matrix: matrix{target: newTarget(t, "e2e-pairs"), tables: &tables{}}}
	p.images = p.releases()
	p.begin(p.namespace, "1.55")
	defer p.end()
	p.template()
	fresh := map[string][]string{}
	starting := map[string]string{}
	for _, version := range versions {
		starting["at"+digits(version)+"_"] = version
	}
	for prefix, ready := range p.start(starting) {
		require.True(t, ready, prefix)
		fresh[starting[prefix]] = p.applied(prefix)
	}
	rows := []string{"| live | to " + strings.Join(versions, " | to ") + " |", strings.Repeat("|---", len(versions)+1) + "|"}
	var most record.Migrations
	for _, live := range versions {
		cells := []string{live}
		seen := p.from(live)
		for _, next := range versions {
			if next == live {
				cells = append(cells, "")
				continue
			}
			v := p.verdict(live, next)
			most.Bytes, most.Seconds = max(most.Bytes, v.Bytes), max(most.Seconds, v.Seconds)
			pair := fmt.Sprintf("%s to %s: %s", live, next, v)
			require.ElementsMatch(t, without(fresh[next], fresh[live]), files(v, func(p record.PluginMigrations) []string { return p.Added }), pair)
			require.ElementsMatch(t, without(fresh[live], fresh[next]), files(v, func(p record.PluginMigrations) []string { return p.Missing }), pair)
			require.Equal(t, !v.Downgrades(), seen[next].starts, pair)
			require.Equal(t, v.Rollback == record.RollbackFree, seen[next].again, pair)
			require.ElementsMatch(t, without(fresh[next], fresh[live]), without(seen[next].left, fresh[live]), pair)
			cells = append(cells, cell(live, v))
		}
		rows = append(rows, "| "+strings.Join(cells, " | ")+" |")
		t.Log(rows[len(rows)-1])
	}
	require.Less(t, most.Seconds, verdictTime)
	require.Less(t, most.Bytes, int64(verdictBytes))
	rows = append(rows, "", fmt.Sprintf("Each verdict took at most %.1f s and %d kB from the registry.", most.Seconds, (most.Bytes+999)/1000))
	document(t, os.Getenv("E2E_MIGRATIONS_DOCUMENT"), map[string][]string{"pairs": rows})
}

// met is what became of the databases of a live release.
type met struct {
	starts bool     // the next release, on them
	again  bool     // the live one, after that
	left   []string // the migrations that are in then
}

// from has each other release meet the databases that a live one has left.
func (p *pairs) from(live string) map[string]met {
	next, again := map[string]string{}, map[string]string{}
	for _, version := range versions {
		if version == live {
			continue
		}
		name := "at" + digits(live) + "to" + digits(version) + "_"
		for _, plugin := range []string{"app", "catalog"} {
			p.sql("postgres", "postgres", fmt.Sprintf("CREATE DATABASE %s TEMPLATE at%s_%s OWNER backstage", name+plugin, digits(live), plugin))
		}
		next[name], again[name] = version, live
	}
	started, restarted := p.start(next), p.start(again)
	all := map[string]met{}
	for name, version := range next {
		all[version] = met{started[name], restarted[name], p.applied(name)}
	}
	return all
}

// verdict is what the command says of a pair.
func (p *pairs) verdict(live, next string) record.Migrations {
	o := stagecrew(p.t, "migrations", "--from", p.images[live], "--to", p.images[next], "--output", "json")
	require.NotNil(p.t, o.record.Migrations)
	free := o.record.Migrations.Rollback == record.RollbackFree && !o.record.Migrations.Downgrades()
	require.Equal(p.t, free, o.exit == 0)
	return *o.record.Migrations
}

// applied are the migrations in the databases with a prefix, of plugins and of what these share.
func (p *pairs) applied(prefix string) (all []string) {
	for _, plugin := range []string{"app", "catalog"} {
		for _, table := range strings.Fields(p.sql("postgres", prefix+plugin, `SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE '%knex\_migrations'`)) {
			for _, name := range strings.Fields(p.sql("postgres", prefix+plugin, "SELECT name FROM "+table)) {
				all = append(all, plugin+"/"+path.Base(name))
			}
		}
	}
	return all
}

// files are names of migrations in a verdict, as [pairs.applied] gives them.
func files(v record.Migrations, of func(record.PluginMigrations) []string) (all []string) {
	for _, p := range v.Plugins {
		for _, name := range of(p) {
			all = append(all, strings.TrimSuffix(strings.TrimPrefix(p.Plugin, "@backstage/plugin-"), "-backend")+"/"+path.Base(name))
		}
	}
	return all
}

func without(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(one string) bool { return slices.Contains(others, one) })
}

func cell(live string, v record.Migrations) string {
	switch n := len(files(v, func(p record.PluginMigrations) []string { return p.Added })); {
	case v.Downgrades():
		return fmt.Sprintf("downgrade, lacks %d: does not start", len(files(v, func(p record.PluginMigrations) []string { return p.Missing })))
	case v.Rollback == record.RollbackFree:
		return "free: " + live + " starts again"
	default:
		return fmt.Sprintf("%s, %d files: %s does not start again", v.Rollback, n, live)
	}
}

func digits(version string) string { return strings.ReplaceAll(version, ".", "") }

// template takes the pod of the Deployment, and that one's pods away.
func (p *pairs) template() {
	var d struct {
		Spec struct{ Template struct{ Spec map[string]any } }
	}
	require.NoError(p.t, json.Unmarshal([]byte(kubectl(p.t, "-n", p.namespace, "get", "deployment/backstage", "-o", "json")), &d))
	p.pod = d.Spec.Template.Spec
	kubectl(p.t, "-n", p.namespace, "scale", "deployment/backstage", "--replicas", "0")
}

// manifest is a pod of a release that works on the databases with a prefix.
func (p *pairs) manifest(prefix, version string) map[string]any {
	text, err := json.Marshal(p.pod)
	require.NoError(p.t, err)
	var spec map[string]any
	require.NoError(p.t, json.Unmarshal(text, &spec))
	c := spec["containers"].([]any)[0].(map[string]any)
	c["image"] = p.images[version]
	env, _ := c["env"].([]any)
	c["env"] = append(env, map[string]any{"name": "APP_CONFIG_backend_database_prefix", "value": prefix})
	c["readinessProbe"].(map[string]any)["periodSeconds"] = 1
	delete(c, "startupProbe")
	delete(c, "livenessProbe")
	delete(c, "lifecycle")
	delete(spec, "initContainers")
	spec["restartPolicy"] = "Never"
	return map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": strings.TrimSuffix(prefix, "_")}, "spec": spec}
}

// start starts a release on the databases of each prefix, and says which became ready; the others say that they do not
// know these databases. No pod is left.
func (p *pairs) start(releases map[string]string) map[string]bool {
	items := []any{}
	for prefix, version := range releases {
		items = append(items, p.manifest(prefix, version))
	}
	list, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	require.NoError(p.t, err)
	file := write(p.t, "pods.json", string(list))
	kubectl(p.t, "-n", p.namespace, "apply", "-f", file)
	started := map[string]bool{}
	for prefix, version := range releases {
		name := "pod/" + strings.TrimSuffix(prefix, "_")
		var log string
		require.Eventually(p.t, func() bool {
			started[prefix] = kubectl(p.t, "-n", p.namespace, "get", name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`) == "True"
			out, _ := exec.CommandContext(p.t.Context(), "kubectl", "--kubeconfig", envtest.Env(p.t, "E2E_KUBECONFIG"), "-n", p.namespace, "logs", name).Output()
			log = string(out)
			return started[prefix] || strings.Contains(log, corrupt)
		}, 5*time.Minute, time.Second, "%s: %s: neither ready nor refused", name, version)
		if started[prefix] {
			require.NotContains(p.t, log, corrupt)
		}
		p.t.Logf("%s on %s: %s", version, prefix, cmp.Or(map[bool]string{true: "ready"}[started[prefix]], "refuses its databases"))
	}
	kubectl(p.t, "-n", p.namespace, "delete", "-f", file, "--grace-period", "5")
	return started
}
