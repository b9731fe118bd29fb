package database

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// direct refuses (database/pooled) where what the pods connect with is a pooler that hands
// sessions of the server round for each transaction: what pg_dump sets for its session, the
// application's next statements may get, and find none of their tables
// (pgbouncer/pgbouncer#452, pgbouncer/pgbouncer#976). Two connections that are open at once
// have two sessions of a server.
func (d *Database) direct(ctx context.Context, name string) error {
	var processes [2]int64
	for i := range processes {
		connection, err := d.connect(ctx, name)
		if err != nil {
			return err
		}
		defer connection.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it has changed nothing
		rows, err := connection.Query(ctx, "SELECT pg_backend_pid()")
		if err == nil {
			processes[i], err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
		}
		if err != nil {
			return d.explain(err)
		}
	}
	if processes[0] == processes[1] {
		return record.Refused("database/pooled", "%s is a pooler that shares sessions of the database among transactions: what a dump sets for its session may reach the application, and the reverse; "+
			"--database-env host=NAME names a variable of the pods with the host of the database itself", d.place.host)
	}
	return nil
}
