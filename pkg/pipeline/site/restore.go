package site

import (
	"context"
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/database"
	"github.com/stagecrew/stagecrew/pkg/database/dump"
	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// restore dumps the databases before a deploy that migrates, and puts the dump back before
// its rollback.
type restore struct {
	dumps    dump.Dumps
	registry registry.Access // of images that are not the release's
	host     Host
}

func dumpsOf(s config.Dumps) dump.Options {
	return dump.Options{Claim: s.DumpClaim, Image: s.DumpImage, Keep: s.DumpKeep, Recipient: s.DumpRecipient, Identity: s.DumpIdentity}
}

func (s Site) restore(cluster *kube.Cluster) restore {
	o := s.dumps
	o.Options, o.Release = s.databaseOptions(cluster), s.Release
	return restore{dump.New(o), registry.Access{Insecure: s.comparison.Registry.Insecure}, s.host}
}

// PrepareUndo makes the dump, unless the databases are not those of the image any more that
// would be gone back to: then an earlier dump is.
func (r restore) PrepareUndo(ctx context.Context, u deploy.Undoing) error {
	if len(u.State.Down) > 0 {
		r.host.Log.Warn("no dump is made: the databases hold migrations already that the image lacks which would be gone back to; the dump of before them is what a rollback restores", "migrations", len(u.State.Down))
		return nil
	}
	if err := database.MayStop(ctx, r.dumps.Options.Options, u.Applied.Workloads); err != nil {
		return err
	}
	made, err := r.dumps.Make(ctx, u.Applied.Workloads, u.Target.Image)
	if err != nil {
		return err
	}
	r.host.Update(func(r *record.Record) { r.Dump = &made })
	return nil
}

// PlanUndo says what is about to be put back.
func (r restore) PlanUndo(_ context.Context, u deploy.Undoing) (string, error) {
	return fmt.Sprintf("the pods that use the databases are stopped, and these become again what revision %d had left in them when they were dumped to %s; what was written since is lost, and counted",
		u.Target.Number, r.dumps.Claim), nil
}

// Undo puts it back.
func (r restore) Undo(ctx context.Context, u deploy.Undoing) (record.DatabaseUndo, error) {
	all, err := r.dumps.Restore(ctx, u.Applied.Workloads, u.Target.Image)
	undo := record.DatabaseUndo{Lost: all.Lost, Replaced: all.Replaced}
	if all.Dump.ID != "" {
		undo.Dump = &all.Dump
	}
	if err == nil {
		undo.Out = u.State.Down
	}
	return undo, err
}

// CheckDumps says what is wrong with the settings of a policy that restores.
func CheckDumps(s config.Settings) error {
	if s.OnMigrated != record.MigratedRestore {
		return nil
	}
	return dumpsOf(s.Dumps).Check()
}
