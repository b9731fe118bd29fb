package deploy

import (
	"cmp"
	"context"
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// metLock reports whether what failed says that a migration found the lock held.
func (r *run) metLock() bool {
	return r.result.Cause != nil && r.result.Cause.MetLock
}

// isLocked reports whether a revision failed because the lock of the migrations is held:
// that says nothing about its image.
func (r *run) isLocked(ctx context.Context) bool {
	if r.cluster.Databases == nil || !r.metLock() {
		return false
	}
	brief, cancel := context.WithTimeout(ctx, askTime/3)
	defer cancel()
	state, err := r.cluster.Databases.Ask(brief, r.applied.Workloads, record.Migrations{})
	if err != nil {
		r.Log.Warn("asking the database who holds the lock of its migrations", "error", err)
		return false
	}
	r.result.Databases = &state
	return len(state.Locked) > 0
}

// forewarn says before a deploy what its rollback will need, and refuses what cannot start
// because the lock of the migrations is held. Where the databases will not tell then, it
// is known now.
func (r *run) forewarn(ctx context.Context, live record.Applied, target record.Revision) error {
	if r.cluster.Databases == nil {
		return nil
	}
	m := r.compareImages(ctx, r.image.Image().String(), target)
	if !mayMeetLock(m) {
		return nil
	}
	limit := askTime
	if m.Rollback == record.RollbackFree {
		limit = lockTime
	}
	brief, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	state, err := r.cluster.Databases.Ask(brief, live.Workloads, m)
	switch {
	case len(state.Locked) > 0:
		return record.Refused("deploy/migrations-locked", "the new revision would not start: %s", r.lockHeld(state.Locked))
	case m.Rollback == record.RollbackFree:
		return nil // whatever the databases say, this rollback does not want them
	case r.undoes() && err != nil:
		return record.Refused("deploy/on-migrated", "--on-migrated %s needs a database that can be asked, which %s: %w", r.OnMigrated, m, err)
	case r.undoes():
		r.undoing = &Undoing{live, m.To, target, m, state}
	case record.CodeOf(err) == record.CodeNoDatabase:
		r.Log.Warn("if this deploy fails, it is rolled back although that "+m.String(), "error", err)
	case err != nil:
		r.Log.Warn("if this deploy fails, nobody will know whether it can be rolled back, and it will not be: "+m.String(), "error", err)
	}
	return nil
}

// mayMeetLock reports whether the new image migrates: knex takes its lock at each start, also
// when there is nothing to do (backstage/backstage#26546). Of an image that is live
// already that was not looked up.
func mayMeetLock(m record.Migrations) bool {
	return m.Rollback == record.RollbackNeedsDatabase || m.Rollback == record.RollbackFree && m.From != m.To
}

// unlockMigrations frees locks before a recovery judges what is there.
func (r *run) unlockMigrations(ctx context.Context, newest record.Revision) error {
	if !r.Unlock {
		return nil
	}
	if r.cluster.Databases == nil {
		return record.BadInput(record.CodeNoDatabase, "--unlock-migrations: nothing is known of a database")
	}
	applied, err := r.cluster.History.Describe(ctx, newest.Number)
	if err != nil {
		return err
	}
	freed, err := r.cluster.Databases.Unlock(ctx, applied.Workloads)
	if err != nil {
		return err
	}
	for _, t := range freed {
		r.Log.Info("the lock of the migrations is free again", "database", t.Database, "table", t.Lock.Table)
		r.result.Repairs = append(r.result.Repairs, fmt.Sprintf("the lock %s of the database %s was freed: %s", t.Lock.Table, t.Database, cmp.Or(t.Lock.String(), "held")))
	}
	if len(freed) == 0 {
		r.Log.Info("no lock of the migrations is held")
	}
	return nil
}
