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
