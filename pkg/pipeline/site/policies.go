package site

import (
	"context"
	"fmt"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/database"
	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/migrations/images"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// policy is the part of [deploy.Databases] that each policy does in its way.
type policy interface {
	// needs says, before a deploy, what it will lack, without changing anything. What is to
	// be done may not be known yet: then the undoing has no image.
	needs(ctx context.Context, u deploy.Undoing) error
	PrepareUndo(ctx context.Context, u deploy.Undoing) error
	PlanUndo(ctx context.Context, u deploy.Undoing) (string, error)
	Undo(ctx context.Context, u deploy.Undoing) (record.DatabaseUndo, error)
}

// policies are what can be done about the databases before a rollback, by their names.
// The one that does nothing is not among them, see [record.MigratedPolicy.Undoes].
var policies = map[record.MigratedPolicy]func(Site, *kube.Cluster) policy{
	record.MigratedSkip: func(s Site, _ *kube.Cluster) policy { return skipping{s.comparison, s} },
	record.MigratedDown: func(s Site, cluster *kube.Cluster) policy {
		return takingBack{s.comparison, database.Down{Options: s.databaseOptions(cluster), Release: s.Release}}
	},
	record.MigratedRestore: func(s Site, cluster *kube.Cluster) policy { return s.restore(cluster) },
}

// policy is that of the settings, nil for the one that leaves all as it is.
func (s Site) policy(cluster *kube.Cluster) policy {
	if begin, found := policies[s.onMigrated]; found {
		return begin(s, cluster)
	}
	return nil
}

// needsKnex refuses what is not known to be migrated by knex, as Backstage does.
func needsKnex(o images.Options, m record.Migrations) error {
	if len(o.Files) > 0 || len(m.Plugins) == 0 {
		return record.Refused("migrations/not-knex", "the policy is for Backstage, whose migrations are files of knex in its packages; of this image nothing tells that: %s", m.Why)
	}
	return nil
}

// skipping goes back with the comparison of files left out.
type skipping struct {
	images images.Options
	site   Site
}

// PrepareUndo says what will stand against it.
func (p skipping) PrepareUndo(ctx context.Context, u deploy.Undoing) error {
	if err := needsKnex(p.images, u.Migrations); err != nil {
		return err
	}
	if found, err := p.destructive(ctx, u.Image, added(u.Migrations)); err != nil || len(found) > 0 {
		p.site.host.Log.Warn("if this deploy fails with its migrations in, it will not be rolled back by --on-migrated skip-validation", "migrations", strings.Join(found, "; "), "error", err)
	}
	return nil
}

// added are the migrations that the new image has, by their folders.
func added(m record.Migrations) migrations.Set {
	set := migrations.Set{}
	for _, p := range m.Plugins {
		for _, name := range p.Added {
			set.Add(p.Folder, name)
		}
	}
	return set
}

// applied are those of them that are in.
func applied(state record.DatabaseState) migrations.Set {
	set := migrations.Set{}
	for _, d := range state.Down {
		set.Add(d.Folder, d.Name)
	}
	return set
}

// destructive are the migrations after which the old image may not work, with why.
func (p skipping) destructive(ctx context.Context, image string, wanted migrations.Set) (found []string, err error) {
	texts, err := images.Texts(ctx, p.images, image, wanted)
	if err != nil {
		return nil, fmt.Errorf("reading what the migrations do: %w", err)
	}
	for folder, names := range wanted {
		for _, name := range names {
			if what := migrations.Destructive(name, texts[folder+"/"+name]); what != "" {
				found = append(found, name+" "+what)
			}
		}
	}
	return found, nil
}

// PlanUndo refuses where a migration that is in shows that the old image may not work on it.
func (p skipping) PlanUndo(ctx context.Context, u deploy.Undoing) (string, error) {
	if err := needsKnex(p.images, u.Migrations); err != nil {
		return "", err
	}
	found, err := p.destructive(ctx, u.Image, applied(u.State))
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return "", record.Refused("migrations/destructive", "the image of revision %d may not work on what was migrated: %s", u.Target.Number, strings.Join(found, "; "))
	}
	return fmt.Sprintf("the %d migrations stay in, none of which is destructive as far as its text shows; revision %d comes back with %s=true, and does not compare its files with what is applied",
		len(u.State.Down), u.Target.Number, backstage.SkipValidation), nil
}

// Undo leaves the databases as they are.
func (p skipping) Undo(_ context.Context, u deploy.Undoing) (record.DatabaseUndo, error) {
	return record.DatabaseUndo{Set: map[string]string{backstage.SkipValidation: "true"}, Left: u.State.Down}, nil
}

// takingBack goes back after the migrations, with the files of the image that has them.
type takingBack struct {
	images images.Options
	down   database.Down
}

// PrepareUndo refuses where pods may not be stopped, or no Job be made.
func (p takingBack) PrepareUndo(ctx context.Context, u deploy.Undoing) error {
	if err := needsKnex(p.images, u.Migrations); err != nil {
		return err
	}
	return p.down.Check(ctx, u.Applied.Workloads)
}

// PlanUndo names what will be taken back.
func (p takingBack) PlanUndo(_ context.Context, u deploy.Undoing) (string, error) {
	if err := needsKnex(p.images, u.Migrations); err != nil {
		return "", err
	}
	names := make([]string, len(u.State.Down))
	for i, d := range u.State.Down {
		names[i] = d.Database + " " + d.Name
	}
	return fmt.Sprintf("its pods are stopped, and a Job with its image takes %d migrations back: %s", len(names), strings.Join(names, ", ")), nil
}

// Undo takes them back.
func (p takingBack) Undo(ctx context.Context, u deploy.Undoing) (record.DatabaseUndo, error) {
	return p.down.Run(ctx, u.Applied.Workloads, u.State.Down)
}
