package pipeline

import (
	"cmp"
	"context"
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/pkg/migrations/images"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// migrationsStage compares the images that --from and --to name.
func migrationsStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	o, live, next := s.comparison(), s.settings.From, s.settings.To
	o.Always = true
	if live == "" || next == "" {
		return nil, record.BadInput("config/image", "--from and --to: name two images, the live one and the one that is to come")
	}
	return func(ctx context.Context, _ inputs) (done, error) {
		return done{}, s.phase("migrations", func() error {
			m, err := images.Compare(ctx, o, live, next)
			s.host.Ledger.Update(func(r *record.Record) { r.Migrations = &m })
			if err != nil {
				return err
			}
			s.host.Results.Migrations(m)
			return mustBeFree(m)
		})
	}, o.Check()
}

// mustBeFree refuses all that is not.
func mustBeFree(m record.Migrations) error {
	switch {
	case m.Downgrades():
		return record.Refused("migrations/downgrade", "%s lacks migrations that %s has: it does not start on the databases, or does not know what is in them: %s", m.To, m.From, m.Why)
	case m.Rollback == record.RollbackNeedsDatabase:
		return record.Refused("migrations/needs-database", "a rollback from %s to %s needs the databases to go back, too: %s", m.To, m.From, m.Why)
	case m.Rollback == record.RollbackUnknown:
		return record.Refused("migrations/unknown", "what a rollback from %s to %s needs is not known: %s", cmp.Or(m.To, "the one image"), cmp.Or(m.From, "the other"), m.Why)
	}
	return nil
}

// comparison is how the images of a release are compared. What layers hold is kept where
// the user's other caches are; without such a place they are read each time.
func (s *slice) comparison() images.Options {
	o := images.Options{Registry: s.images(), Files: s.settings.MigrationFiles, Always: s.settings.RequireSafeRollback, Log: s.host.Log}
	if user, err := os.UserCacheDir(); err == nil {
		o.CacheDir = filepath.Join(user, "stagecrew", "migrations")
	}
	return o
}
