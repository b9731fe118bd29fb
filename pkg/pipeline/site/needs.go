package site

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/database/jobs"
	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release"
)

// policyTime bounds the look.
const policyTime = 20 * time.Second

// demands are what the policy about migrations would lack, and who holds a lock of theirs.
// They block where the rollback is known to need the databases: the deploy would refuse.
func (s Site) demands(ctx context.Context, databases databases, r *release.Release, m *record.Migrations) (all []record.Concern) {
	if databases.policy == nil || m != nil && m.Rollback == record.RollbackFree {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, policyTime)
	defer cancel()
	history, err := r.History(ctx)
	live, found := revisions.Live(history)
	if err != nil || !found {
		return nil // the checks tell of a history that may not be read
	}
	applied, err := r.Describe(ctx, live.Number)
	u := deploy.Undoing{Applied: applied, Target: live}
	if m != nil && err == nil {
		u.Image, u.Migrations = m.To, *m
		u.State, err = databases.Ask(ctx, applied.Workloads, *m)
	}
	for _, t := range u.State.Locked {
		err = errors.Join(err, record.Refused("deploy/migrations-locked", "%s: %s", t.Database, t.Lock))
	}
	blocks := m != nil && m.Rollback == record.RollbackNeedsDatabase
	for _, one := range record.Parts(record.Problems(record.Parts(errors.Join(err, databases.needs(ctx, u)))...)) {
		code := record.CodeOf(one)
		if code == "" {
			code = "preflight/not-checked"
		}
		all = append(all, record.Concern{
			Code: code, Object: fmt.Sprintf("--on-migrated %s", s.onMigrated), Message: record.MessageOf(one),
			Blocks: blocks && record.KindOf(one) != record.KindUnavailable,
		})
	}
	return all
}

func (p skipping) needs(ctx context.Context, u deploy.Undoing) error {
	if u.Image == "" {
		return nil
	}
	return p.PrepareUndo(ctx, u)
}

func (p takingBack) needs(ctx context.Context, u deploy.Undoing) error {
	var err error
	if u.Image != "" {
		err = needsKnex(p.images, u.Migrations)
	}
	return errors.Join(err, p.down.Check(ctx, u.Applied.Workloads), jobs.Allowed(ctx, p.down.Client, p.down.Namespace))
}

func (r restore) needs(ctx context.Context, u deploy.Undoing) error {
	return errors.Join(r.dumps.Ready(ctx, u.Applied.Workloads), r.hasImage(ctx))
}

// hasImage asks the registry for the image with PostgreSQL's tools that the settings name. A
// registry that does not answer says nothing.
func (r restore) hasImage(ctx context.Context) error {
	if r.dumps.Image == "" {
		return nil
	}
	if _, err := r.registry.Platforms(ctx, r.dumps.Image, nil); record.KindOf(err) == record.KindRefused {
		return record.Unavailable("database/no-image", "--dump-image: %w; nodes may have it all the same", err)
	}
	return nil
}
