package database

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// hindering are the changes whose migrations an image that lacks them does not bear.
var hindering = []record.MigrationChange{record.MigratesUp, record.MigratesApart, record.NewModule}

// In says which of the migrations that an image adds are in the databases, and whose
// locks are held. A migration of a plugin counts where its own database or schema holds
// it; of one that has none of its own, anywhere.
func In(m record.Migrations, all record.AppliedMigrations) record.DatabaseState {
	state := record.DatabaseState{Locked: all.Locked()}
	for _, p := range m.Plugins {
		if !slices.Contains(hindering, p.Change) {
			continue
		}
		found := applied(all, p)
		if len(found) == 0 {
			continue
		}
		state.Down = append(state.Down, found...)
		p.Added = slices.DeleteFunc(slices.Clone(p.Added), func(name string) bool {
			return !slices.ContainsFunc(found, func(a record.AppliedMigration) bool { return a.Name == name })
		})
		state.In = append(state.In, p)
	}
	return state
}

// applied are the migrations of one folder that the databases hold, the last first. One
// that two pods have run at once has two rows, and is taken back once (knex/knex#4495).
func applied(all record.AppliedMigrations, p record.PluginMigrations) (found []record.AppliedMigration) {
	for _, t := range tablesOf(all, p.Folder) {
		for _, row := range slices.Backward(t.Rows) {
			one := record.AppliedMigration{Database: t.Database, Schema: t.Schema, Table: t.Name, Folder: p.Folder, Name: path.Base(row.Name)}
			if slices.Contains(p.Added, one.Name) && !slices.Contains(found, one) {
				found = append(found, one)
			}
		}
	}
	return found
}

// tablesOf are those in which a plugin's migrations are noted.
func tablesOf(all record.AppliedMigrations, folder string) []record.MigrationTable {
	id := idOf(folder)
	own := slices.DeleteFunc(slices.Clone(all.Tables), func(t record.MigrationTable) bool {
		return id == "" || t.Schema != id && !strings.HasSuffix(t.Database, "_"+id)
	})
	if len(own) == 0 {
		return all.Tables
	}
	return own
}

// backend is how packages of Backstage's plugins are called.
var backend = regexp.MustCompile(`^(?:@[^/]+/)?(?:backstage-)?(?:plugin-)?([a-z0-9-]+?)-backend(?:-dynamic)?/migrations$`)

// idOf is the plugin's id in the name of its database, "" where the package does not tell.
func idOf(folder string) string {
	if parts := backend.FindStringSubmatch(folder); parts != nil {
		return parts[1]
	}
	return ""
}
