package database

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Applied asks all databases of the release's plugins which migrations they hold, and
// whose locks are held.
func (d *Database) Applied(ctx context.Context) (record.AppliedMigrations, error) {
	var all record.AppliedMigrations
	err := d.each(ctx, func(ctx context.Context, name string, tx pgx.Tx) error {
		tables, err := d.tables(ctx, name, tx)
		all.Tables = append(all.Tables, tables...)
		return err
	})
	if err != nil {
		return record.AppliedMigrations{}, err
	}
	return all, d.findHolders(ctx, all)
}

// each does something in a read-only transaction of each database of the plugins.
func (d *Database) each(ctx context.Context, do func(context.Context, string, pgx.Tx) error) error {
	names, err := d.databases(ctx)
	for _, name := range names {
		if err == nil {
			err = d.in(ctx, name, pgx.ReadOnly, func(tx pgx.Tx) error { return do(ctx, name, tx) })
		}
	}
	return err
}

// in does something in a transaction that waits for no lock long.
func (d *Database) in(ctx context.Context, name string, access pgx.TxAccessMode, do func(pgx.Tx) error) error {
	connection, err := d.connect(ctx, name)
	if err != nil {
		return err
	}
	defer connection.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what it held is over
	err = pgx.BeginTxFunc(ctx, connection, pgx.TxOptions{AccessMode: access}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10s'"); err != nil {
			return err
		}
		return do(tx)
	})
	if record.CodeOf(err) != "" {
		return err
	}
	return d.explain(err)
}

// databases are those of the plugins, and the one that the connection names: plugins
// may have schemas of it instead.
func (d *Database) databases(ctx context.Context) ([]string, error) {
	var names []string
	list := func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND (starts_with(datname, $1) OR datname = $2) ORDER BY datname", d.place.prefix, d.place.name)
		if err == nil {
			names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	}
	var err error
	for _, first := range slices.Compact([]string{"postgres", cmp.Or(d.place.name, "postgres"), d.place.prefix + "catalog"}) {
		// A user need not be let into all of them.
		err = d.in(ctx, first, pgx.ReadOnly, list)
		if err == nil || record.CodeOf(err) == "database/unreachable" || record.CodeOf(err) == record.CodeWrongPassword {
			break
		}
	}
	return names, err
}

const (
	// The suffix of knex's tables; Backstage gives those of the scheduler and of the keys a prefix.
	findTables = `SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND c.relname LIKE '%knex\_migrations' ORDER BY 1, 2`
	lockSuffix = "_lock"
	// maxRows bounds what is read of a table: no application has so many migrations.
	maxRows = 20000
)

// tables reads those of one database.
func (d *Database) tables(ctx context.Context, name string, tx pgx.Tx) ([]record.MigrationTable, error) {
	result, err := tx.Query(ctx, findTables)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(result, func(row pgx.CollectableRow) (record.MigrationTable, error) {
		t := record.MigrationTable{Database: name}
		return t, row.Scan(&t.Schema, &t.Name)
	})
	for i := range found {
		if err == nil {
			found[i].Rows, err = rows(ctx, tx, found[i])
		}
		if err == nil {
			found[i].Lock, err = lock(ctx, tx, found[i])
		}
	}
	return found, err
}

// rows are the migrations that a table says are applied.
func rows(ctx context.Context, tx pgx.Tx, t record.MigrationTable) ([]record.MigrationRow, error) {
	result, err := tx.Query(ctx, fmt.Sprintf("SELECT name, coalesce(batch, 0), coalesce(migration_time, 'epoch') FROM %s ORDER BY id LIMIT %d", quoted(t, ""), maxRows))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(result, func(row pgx.CollectableRow) (one record.MigrationRow, err error) {
		return one, row.Scan(&one.Name, &one.Batch, &one.At)
	})
}

func quoted(t record.MigrationTable, suffix string) string {
	return pgx.Identifier{t.Schema, t.Name + suffix}.Sanitize()
}

// lock reads whether the lock of a table is held, and who else is connected. A table
// without a lock has none: knex makes it before the first migration.
func lock(ctx context.Context, tx pgx.Tx, t record.MigrationTable) (*record.MigrationLock, error) {
	found, err := readLock(ctx, tx, t)
	if found == nil || err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT pid, coalesce(usename, ''), coalesce(application_name, ''), coalesce(host(client_addr), ''), coalesce(state, ''), coalesce(backend_start, now())
		FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend' ORDER BY 6`)
	if err != nil {
		return nil, err
	}
	found.Sessions, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (s record.DatabaseSession, err error) {
		return s, row.Scan(&s.Process, &s.User, &s.Application, &s.Client, &s.State, &s.Since)
	})
	return found, err
}

// readLock reads a lock's rows, nil for one that is free. Knex keeps no time of its own
// (knex/knex#2502): since when is known of a database that keeps those of commits. Of a
// lock with several rows, which pods that made it at once have left, knex says for ever
// that it is held (knex/knex#3538).
func readLock(ctx context.Context, tx pgx.Tx, t record.MigrationTable) (*record.MigrationLock, error) {
	var there bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", quoted(t, lockSuffix)).Scan(&there); err != nil || !there {
		return nil, err
	}
	found := &record.MigrationLock{Table: t.Name + lockSuffix}
	var held int
	var since *time.Time
	err := tx.QueryRow(ctx, fmt.Sprintf(`SELECT count(*), count(*) FILTER (WHERE is_locked = 1),
		max(CASE WHEN is_locked = 1 AND current_setting('track_commit_timestamp') = 'on' THEN pg_xact_commit_timestamp(xmin) END) FROM %s`, quoted(t, lockSuffix))).Scan(&found.Rows, &held, &since)
	if err != nil || held == 0 && found.Rows <= 1 {
		return nil, err
	}
	if since != nil {
		found.Since = *since
	}
	return found, nil
}
