package database

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Unlock frees the locks that killed migrations have left, and gives the tables. It
// refuses as long as anybody lives who may be migrating (database/lock-held).
func (d *Database) Unlock(ctx context.Context) ([]record.MigrationTable, error) {
	all, err := d.Applied(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range all.Locked() {
		if len(t.Lock.Holders) > 0 {
			return nil, record.Refused("database/lock-held", "%s: %s; nothing was freed: wait for its end, or end it", t, t.Lock)
		}
	}
	for _, t := range all.Locked() {
		// Nobody takes a lock that is held: there is no new holder since the question.
		err := d.in(ctx, t.Database, pgx.ReadWrite, func(tx pgx.Tx) error {
			table := quoted(t, lockSuffix)
			_, err := tx.Exec(ctx, fmt.Sprintf("UPDATE %s SET is_locked = 0 WHERE is_locked = 1; DELETE FROM %s WHERE ctid > (SELECT min(ctid) FROM %s)", table, table, table))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("freeing the lock of %s: %w", t, err)
		}
	}
	return all.Locked(), nil
}
