package record

import (
	"fmt"
	"strings"
	"time"
)

// AppliedMigrations are the migrations that a database holds, as knex has written
// them down, and who else is connected with it.
type AppliedMigrations struct {
	// Tables are those of knex, each with its lock: one or more of each database.
	Tables []MigrationTable `json:"tables"`
}

// MigrationTable is one of knex's tables of applied migrations.
type MigrationTable struct {
	Database string `json:"database"` // "backstage_plugin_catalog"
	Schema   string `json:"schema"`   // "public", or a plugin where plugins have schemas
	Name     string `json:"name"`     // "knex_migrations", "backstage_backend_tasks__knex_migrations"
	// Rows are the applied migrations, in the order in which they were applied.
	Rows []MigrationRow `json:"rows"`
	// Lock is set while an instance migrates, or when it has died doing so; nil when it is free.
	Lock *MigrationLock `json:"lock,omitempty"`
}

// MigrationRow is one applied migration.
type MigrationRow struct {
	Name  string    `json:"name"`  // "20260214000000_search_fk_final_entities.js"
	Batch int       `json:"batch"` // which run of knex applied it, from 1
	At    time.Time `json:"at,omitzero"`
}

// MigrationLock is knex's lock of one table of migrations, held.
type MigrationLock struct {
	Table string `json:"table"` // "knex_migrations_lock"
	// Rows is 1; with more of them knex says for ever that the lock is held.
	Rows int `json:"rows"`
	// Since is when it was taken, zero where the database does not keep the times of commits.
	Since time.Time `json:"since,omitzero"`
	// Sessions are the other connections of the same database.
	Sessions []DatabaseSession `json:"sessions,omitempty"`
	// Holders are those who may be migrating now, in a line each: "Pod/web-1 container backstage,
	// which runs since … and is not ready". Empty: whoever took the lock is gone.
	Holders []string `json:"holders,omitempty"`
}

// DatabaseSession is a connection with a database as pg_stat_activity shows it.
type DatabaseSession struct {
	Process     int       `json:"pid"`
	User        string    `json:"user"`
	Application string    `json:"application"`
	Client      string    `json:"client"` // an address, "" for a local one
	State       string    `json:"state"`  // "active", "idle", "idle in transaction" …; "" where the user may not see it
	Since       time.Time `json:"since"`
}

// Busy reports whether the session is at work, or may be.
func (s DatabaseSession) Busy() bool { return s.State != "idle" }

// String names the table for people: "backstage_plugin_catalog: knex_migrations".
func (t MigrationTable) String() string {
	if t.Schema == "" || t.Schema == "public" {
		return t.Database + ": " + t.Name
	}
	return t.Database + ": " + t.Schema + "." + t.Name
}

// Locked are the tables whose lock is held.
func (a AppliedMigrations) Locked() (locked []MigrationTable) {
	for _, t := range a.Tables {
		if t.Lock != nil {
			locked = append(locked, t)
		}
	}
	return locked
}

// String says who holds a lock, and since when, as far as that is known.
func (l MigrationLock) String() string {
	s := l.Table + " is held"
	if !l.Since.IsZero() {
		s += " since " + l.Since.UTC().Format(time.RFC3339)
	}
	if l.Rows > 1 {
		s = fmt.Sprintf("%s has %d rows instead of one, so that knex cannot take it", l.Table, l.Rows)
	}
	if len(l.Holders) == 0 && l.Rows > 1 {
		return s
	}
	if len(l.Holders) == 0 {
		return s + " by nobody who lives: a migration was killed"
	}
	return fmt.Sprintf("%s; who may be migrating: %s", s, strings.Join(l.Holders, "; "))
}

// DatabaseState is what stands in the databases of a release against going back to an
// image that lacks some migrations.
type DatabaseState struct {
	// In are those of them that the databases hold, by plugin.
	In []PluginMigrations `json:"applied,omitempty"`
	// Down are the same one by one, in the order in which they have to be taken back.
	Down []AppliedMigration `json:"down,omitempty"`
	// Locked are the tables whose lock is held.
	Locked []MigrationTable `json:"locked,omitempty"`
}

// AppliedMigration is one migration that has to be taken back, and where.
type AppliedMigration struct {
	Database string `json:"database"`
	Schema   string `json:"schema"`
	Table    string `json:"table"`
	Folder   string `json:"folder"` // of the image that has it
	Name     string `json:"name"`
}
