package report

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func needing() *record.Migrations {
	return &record.Migrations{Rollback: record.RollbackNeedsDatabase, Why: "catalog adds 1 migration (2_b.js)", Plugins: []record.PluginMigrations{
		{Plugin: "catalog", Folder: "catalog/migrations", Change: record.MigratesUp, Added: []string{"2_b.js"}},
		{Plugin: "todo\x1b[31m", Folder: "todo/migrations", Change: record.RemovedPlugin, Missing: []string{"1_a.js"}},
	}}
}

func TestEachFileThatDiffersIsPrinted(t *testing.T) {
	var out bytes.Buffer
	Migrations(&out, *needing())
	require.Equal(t, "rollback: needs-database: catalog adds 1 migration (2_b.js)\ncatalog (migrates)\n  + 2_b.js\ntodo\\x1b[31m (removed-plugin)\n  - 1_a.js\n", out.String())
}

func TestTheSummaryAndTheCommentSayWhatARollbackNeeds(t *testing.T) {
	r := record.Record{Verdict: record.VerdictOK, Migrations: needing()}
	for _, text := range []string{Summary(r), Comment(r, 60000)} {
		require.Contains(t, text, "Rollback: needs-database: catalog adds 1 migration")
	}
	require.Contains(t, Set(r, Paths{}), [2]string{"rollback", "needs-database"})
}

func TestTheSummarySaysWhatBecameOfTheDatabases(t *testing.T) {
	for want, u := range map[string]record.DatabaseUndo{
		"(migrate-down): done: takes 2 back":             {Policy: record.MigratedDown, Plan: "takes 2 back", Done: true},
		"(migrate-down): not done to the end: a refused": {Policy: record.MigratedDown, Plan: "takes 2 back", Why: "a refused"},
		"(skip-validation): not done: a drops a column":  {Policy: record.MigratedSkip, Why: "a drops a column"},
		"(restore): done: puts 1 back; lost is what was written since, in 2 tables: 4 rows inserted, 2 updated, 10 deleted": {
			Policy: record.MigratedRestore, Plan: "puts 1 back", Done: true, Lost: []record.LostWrites{{Inserted: 1, Deleted: 10}, {Inserted: 3, Updated: 2}},
		},
	} {
		require.Contains(t, Summary(record.Record{Undo: &u}), "Databases before the rollback "+want)
	}
}
