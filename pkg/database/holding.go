package database

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Holding is a database that belongs to the release.
type Holding struct {
	Name string
	// Bytes are those of its tables, without their indexes.
	Bytes int64
}

// Holdings are the databases that a dump of the release consists of: those of its plugins,
// and others with tables of knex. It refuses (database/cannot-restore) where the user of the
// release's pods could not make them anew, and (database/pooled) where a pooler is in the way.
func (d *Database) Holdings(ctx context.Context) ([]Holding, error) {
	var all []Holding
	var hindrances []string
	err := d.each(ctx, func(ctx context.Context, name string, tx pgx.Tx) error {
		h, err := holding(ctx, name, tx)
		tables, tablesErr := d.tables(ctx, name, tx)
		if err != nil || tablesErr != nil || len(tables) == 0 && !strings.HasPrefix(name, d.place.prefix) {
			return cmp.Or(err, tablesErr)
		}
		all = append(all, h)
		found, err := unrestorable(ctx, name, tx)
		hindrances = append(hindrances, found...)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(all) == 0:
		return nil, record.Refused("database/no-databases", "there is no database %s… that the user %q of the release's pods may connect with, nor one with tables of knex: nothing can be dumped", d.place.prefix, d.place.user)
	case len(hindrances) > 0:
		return nil, record.Refused("database/cannot-restore", "a dump could not be restored by the user %q of the release's pods: %s", d.place.user, strings.Join(hindrances, "; "))
	}
	return all, d.direct(ctx, all[0].Name)
}

func holding(ctx context.Context, name string, tx pgx.Tx) (Holding, error) {
	h := Holding{Name: name}
	if strings.ContainsAny(name, "\t\n\r") {
		return h, record.Refused("database/cannot-restore", "the name of the database %q has a tab or a new line in it", name)
	}
	return h, tx.QueryRow(ctx, "SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind IN ('r', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema'").Scan(&h.Bytes)
}

// hindrances are questions with one row for each thing that a user cannot make anew; none
// for a superuser. A trusted extension is made by whoever owns the database.
// Source: https://www.postgresql.org/docs/current/sql-createextension.html
var hindrances = []struct{ query, form string }{
	{"SELECT current_user FROM pg_roles WHERE rolname = current_user AND NOT rolcreatedb", "it may not make databases such as %[2]s; a superuser grants that: ALTER ROLE %[1]q CREATEDB"},
	{"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database() AND NOT pg_has_role(datdba, 'USAGE')", "it does not own the database %[2]s, %[1]s does"},
	{"SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT pg_has_role(relowner, 'USAGE') AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')", "the database %[2]s has tables of %[1]s"},
	{"SELECT extname FROM pg_extension e WHERE extname <> 'plpgsql' AND NOT EXISTS (SELECT FROM pg_available_extension_versions v WHERE v.name = extname AND v.version = extversion AND v.trusted)", "the database %[2]s has the extension %[1]s, which only a superuser makes"},
}

// unrestorable names what of a database its user could not make anew.
func unrestorable(ctx context.Context, name string, tx pgx.Tx) (lines []string, err error) {
	var may bool
	if err := tx.QueryRow(ctx, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user").Scan(&may); err != nil || may {
		return nil, err
	}
	for _, h := range hindrances {
		rows, err := tx.Query(ctx, h.query)
		if err != nil {
			return nil, err
		}
		what, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, err
		}
		for _, one := range what {
			lines = append(lines, fmt.Sprintf(h.form, one, name))
		}
	}
	return lines, nil
}
