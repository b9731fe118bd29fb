package record

import (
	"fmt"
	"strings"
)

// RollbackNeeds is what going back from a new image to the live one wants of the
// databases.
type RollbackNeeds string

// What a rollback needs.
const (
	RollbackFree          RollbackNeeds = "free"           // the live image runs on what the new one leaves
	RollbackNeedsDatabase RollbackNeeds = "needs-database" // the new image changes what the live one wants
	RollbackUnknown       RollbackNeeds = "unknown"
)

// Choices are all that a rollback can need.
func (RollbackNeeds) Choices() []Choice {
	return []Choice{
		{string(RollbackFree), "the live image runs on the databases that the new one leaves"},
		{string(RollbackNeedsDatabase), "the databases have to go back first"},
		{string(RollbackUnknown), "nothing tells"},
	}
}

// MigrationChange is how the migrations of one folder differ in two images.
type MigrationChange string

// The changes of a folder.
const (
	// MigratesUp is a folder that has more files in the new image. After they ran, the
	// live image does not start any more, or works with tables that it does not know.
	MigratesUp MigrationChange = "migrates"
	// MigratesDown is a folder that lacks files which the live image has: knex refuses to
	// start the new image on the live databases.
	MigratesDown MigrationChange = "downgrade"
	// MigratesApart is both: two branches.
	MigratesApart MigrationChange = "diverged"
	// NewPlugin is a folder that only the new image has. Its tables are its own.
	NewPlugin MigrationChange = "new-plugin"
	// NewModule is a folder that only the new image has, of a package that is no plugin by
	// itself: a module works in the database of its plugin, which may then not start
	// without it (RoadieHQ/roadie-backstage-plugins#1900).
	NewModule MigrationChange = "new-module"
	// RemovedPlugin is a folder that only the live image has. Its tables stay.
	RemovedPlugin MigrationChange = "removed-plugin"
)

// PluginMigrations are the migrations that differ in one folder.
type PluginMigrations struct {
	Plugin string          `json:"plugin"` // the package, "@backstage/plugin-catalog-backend", or the folder
	Folder string          `json:"folder"` // in the image, below its node_modules where it has one
	Change MigrationChange `json:"change"`
	// Added are names of files that only the new image has, Missing those that only the
	// live one has; both in order.
	Added   []string `json:"added,omitempty"`
	Missing []string `json:"missing,omitempty"`
}

// Migrations say before a deployment what a rollback from it would need.
type Migrations struct {
	Rollback RollbackNeeds `json:"rollback"`
	// Why is a sentence for people.
	Why string `json:"why"`
	// From is the live image and To the new one, as REPOSITORY@DIGEST; "" when not known.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Said is what the team says of the new image: none, forward-only or reversible; ""
	// when it says nothing.
	Said string `json:"said,omitempty"`
	// Plugins are the folders that differ.
	Plugins []PluginMigrations `json:"plugins,omitempty"`
	// Bytes were read from the registry for it, in Seconds.
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

// Downgrades reports whether the new image lacks migrations that the live one has in a
// folder that both have: it would not start on the live databases.
func (m Migrations) Downgrades() bool {
	return m.has(MigratesDown) || m.has(MigratesApart)
}

func (m Migrations) has(change MigrationChange) bool {
	for _, p := range m.Plugins {
		if p.Change == change {
			return true
		}
	}
	return false
}

// String gives the verdict for people: "rollback: needs-database: …".
func (m Migrations) String() string { return "rollback: " + string(m.Rollback) + ": " + m.Why }

// shownFiles is how many names of files a sentence has.
const shownFiles = 3

// String gives a folder's change for people.
func (p PluginMigrations) String() string {
	switch p.Change {
	case NewPlugin:
		return p.Plugin + " is new, with " + counted(p.Added)
	case NewModule:
		return p.Plugin + " is new, and no plugin of its own: its " + counted(p.Added) + " may be in the database of another one"
	case RemovedPlugin:
		return p.Plugin + " goes; what its " + counted(p.Missing) + " made stays in the database"
	case MigratesDown:
		return p.Plugin + " lacks " + counted(p.Missing) + " of the live image"
	case MigratesApart:
		return p.Plugin + " adds " + counted(p.Added) + " and lacks " + counted(p.Missing) + " of the live image"
	default:
		return p.Plugin + " adds " + counted(p.Added)
	}
}

// counted gives "2 migrations (a, b)", with the last names where there are many.
func counted(names []string) string {
	shown, more := names, ""
	if len(names) > shownFiles {
		shown, more = names[len(names)-shownFiles:], "…, "
	}
	noun := "migrations"
	if len(names) == 1 {
		noun = "migration"
	}
	return fmt.Sprintf("%d %s (%s%s)", len(names), noun, more, strings.Join(shown, ", "))
}
