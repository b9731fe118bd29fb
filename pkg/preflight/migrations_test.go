package preflight

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestWhatARollbackNeedsIsToldAndRefusedWhereSomebodyWantsThat(t *testing.T) {
	catalog := func(names ...string) migrations.Set { return migrations.Set{"catalog/migrations": names} }
	for _, c := range []struct {
		name            string
		m               record.Migrations
		warned, refused []string
	}{
		{"free", migrations.Compare(catalog("1"), catalog("1")), nil, nil},
		{"more", migrations.Compare(catalog("1"), catalog("1", "2")), []string{"migrations/needs-database"}, []string{"migrations/needs-database"}},
		{"fewer", migrations.Compare(catalog("1", "2"), catalog("1")), []string{"migrations/downgrade"}, []string{"migrations/downgrade"}},
		{"both", migrations.Compare(catalog("1", "2"), catalog("1", "3")), []string{"migrations/downgrade", "migrations/needs-database"}, []string{"migrations/downgrade", "migrations/needs-database"}},
		{"nobody knows", migrations.Unknown("it is so"), nil, []string{"migrations/unknown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, strict := range []bool{false, true} {
				looked := &check{Options: Options{RequireSafeRollback: strict}, plan: record.Plan{Migrations: &c.m}}
				looked.migrations()
				var codes []string
				for _, found := range looked.found {
					codes = append(codes, found.Code)
					require.Equal(t, strict, found.Blocks)
					require.Contains(t, found.Message, c.m.Why)
				}
				require.Equal(t, map[bool][]string{false: c.warned, true: c.refused}[strict], codes)
			}
		})
	}
	nothing := &check{}
	nothing.migrations()
	require.Empty(t, nothing.found, "there is nothing to compare")
}

func TestAMigrationThatAProbeWouldKillIsTold(t *testing.T) {
	m := migrations.Compare(migrations.Set{"catalog/migrations": {"1"}}, migrations.Set{"catalog/migrations": {"1", "2"}})
	const image = "r.test/portal@sha256:2"
	for _, c := range []struct{ name, image, probes, says string }{
		{"a startup probe", image, "startupProbe: {initialDelaySeconds: 5, periodSeconds: 5, failureThreshold: 29, timeoutSeconds: 5, httpGet: {path: /, port: 7007}}", "killed by its startup probe when it does not answer for 2m35s"},
		{"one with time", image, "startupProbe: {periodSeconds: 10, failureThreshold: 60, httpGet: {path: /, port: 7007}}", ""},
		// pmint93/helm-charts#124, sourcegraph/sourcegraph-public-snapshot#19757
		{"a liveness probe alone", image, "livenessProbe: {initialDelaySeconds: 60, periodSeconds: 10, httpGet: {path: /healthcheck, port: 7007}}", "killed by its liveness probe when it does not answer for 1m31s"},
		{"one that Backstage answers", image, "livenessProbe: {periodSeconds: 10, httpGet: {path: /.backstage/health/v1/liveness, port: 7007}}", ""},
		{"no probe", image, "name: web", ""},
		{"another image", "r.test/proxy@sha256:9", "livenessProbe: {periodSeconds: 10, httpGet: {path: /, port: 7007}}", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			manifest := "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - image: " + c.image + "\n        " + c.probes + "\n"
			objects, err := parse(manifest, "prod")
			require.NoError(t, err)
			looked := &check{objects: objects, plan: record.Plan{Migrations: &m, Image: record.Image{Repository: "r.test/portal", Digest: "sha256:2"}}}
			looked.migrations()
			var said string
			for _, found := range looked.found {
				if found.Code == "preflight/migration-time" {
					said = found.Message
					require.False(t, found.Blocks)
				}
			}
			require.Equal(t, c.says != "", said != "", said)
			require.Contains(t, said, c.says)
		})
	}
}

func TestTheWorkloadsOfAChartCanSayWhatBecomesOfTheirDatabases(t *testing.T) {
	workload := func(kind, name, word string) string {
		return "---\napiVersion: apps/v1\nkind: " + kind + "\nmetadata:\n  name: " + name + "\n  annotations: {" + migrations.SaidLabel + ": " + word + "}\n"
	}
	for _, c := range []struct{ name, manifest, word, where string }{
		{"nobody", "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n", "", ""},
		{"one", workload("Deployment", "web", "none"), "none", "the annotation stagecrew.dev/migrations of Deployment/web"},
		{"the worst of several", workload("Deployment", "web", "none") + workload("StatefulSet", "db", "forward-only") + workload("DaemonSet", "x", "reversible"), "forward-only", "the annotation stagecrew.dev/migrations of StatefulSet/db"},
		{"what makes no pods", "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, annotations: {" + migrations.SaidLabel + ": none}}\n", "", ""},
		{"no manifest", "{", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			word, where := Said(c.manifest)
			require.Equal(t, [2]string{c.word, c.where}, [2]string{word, where})
		})
	}
}
