package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/pipeline/site"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// deployStage applies the verified image and proves it, or goes back.
func deployStage(s *slice) (func(context.Context, inputs) (record.Record, error), error) {
	d, err := s.deployment()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, in inputs) (record.Record, error) {
		d.announce(ctx, verified.of(in).Image())
		return d.run(ctx, concerns.of(in), func(ctx context.Context, o deploy.Options) (record.Record, error) {
			return deploy.Deploy(ctx, verified.of(in), o)
		})
	}, nil
}

// gateStage judges what another tool applied.
func gateStage(s *slice) (func(context.Context, inputs) (record.Record, error), error) {
	d, err := s.deployment()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ inputs) (record.Record, error) {
		return d.run(ctx, nil, deploy.Gate)
	}, nil
}

// recoverStage finishes what another run left.
func recoverStage(s *slice) (func(context.Context, inputs) (record.Record, error), error) {
	d, err := s.deployment()
	if err != nil {
		return nil, err
	}
	d.warnOfTrust()
	return func(ctx context.Context, _ inputs) (record.Record, error) {
		d.announce(ctx, record.Image{})
		return d.run(ctx, nil, deploy.Recover)
	}, nil
}

// rollbackStage goes back by hand.
func rollbackStage(s *slice) (func(context.Context, inputs) (record.Record, error), error) {
	t := s.settings.Target
	if t.Reason != "" {
		s.host.Log.Info("rollback by hand", "reason", t.Reason)
		s.host.Ledger.Update(func(r *record.Record) { r.Reason = t.Reason })
	}
	revision, toErr := revisionOf(s.settings.To)
	d, err := s.deployment()
	if err := errors.Join(toErr, err); err != nil {
		return nil, err
	}
	d.warnOfTrust()
	d.options.Timeout = s.settings.RollbackTimeout
	to := revisions.RollbackTo{Revision: revision, Digest: t.ToDigest, ForceBadUnsafe: t.ForceBadUnsafe}
	return func(ctx context.Context, _ inputs) (record.Record, error) {
		d.announce(ctx, record.Image{})
		return d.run(ctx, nil, func(ctx context.Context, o deploy.Options) (record.Record, error) {
			return deploy.Rollback(ctx, to, o)
		})
	}, nil
}

// revisionOf reads the setting of a revision, 0 for none.
func revisionOf(setting string) (int, error) {
	number, err := strconv.ParseUint(cmp.Or(setting, "0"), 10, 31)
	if err != nil {
		return 0, record.BadInput("config/invalid", "--to: invalid value %q: allowed are whole numbers from 0", setting)
	}
	return int(number), nil
}

// deployment is one run of the state machine, with its options but for Connect and Report,
// which [deployment.run] adds.
type deployment struct {
	host     Host
	settings config.Settings
	at       site.Site
	gate     site.Gate
	options  deploy.Options
}

func (s *slice) deployment() (*deployment, error) {
	at, g, err := s.judging()
	if err != nil {
		return nil, err
	}
	verify, err := s.verifyTarget()
	if err := errors.Join(err, site.CheckDumps(s.settings)); err != nil {
		return nil, err
	}
	return &deployment{s.host, s.settings, at, g, deploy.Options{
		Release:         at.Release,
		Namespace:       at.Namespace,
		Timeout:         s.settings.Timeout,
		RollbackTimeout: s.settings.RollbackTimeout,
		Soak:            soak(s.settings.Soak),
		Asks:            g.Asks(),
		Verify:          verify,
		Unlock:          s.settings.UnlockMigrations,
		OnMigrated:      s.settings.OnMigrated,
		DryRun:          s.settings.DryRun,
		Holder:          holder(s.host.Actions.Run()),
		Withhold:        g.Credentials(),
		Keep:            s.host.Keep,
		Log:             s.host.Log,
	}}, nil
}

// warnOfTrust is for those who go back without having verified anything before.
func (d *deployment) warnOfTrust() {
	if d.options.Verify == nil {
		d.host.Log.Warn("the signature of the image that is gone back to is not checked; --verify-key, or --verify-identity and --verify-issuer, say how")
	}
}

// run runs the state machine and puts its result on the record. told are the concerns that
// the command has warned of before.
func (d *deployment) run(ctx context.Context, told []record.Concern, start func(context.Context, deploy.Options) (record.Record, error)) (record.Record, error) {
	if d.options.DryRun {
		d.comment()
	}
	options := d.options
	options.Connect = func() (deploy.Cluster, error) { return d.at.Open(d.gate, told) }
	options.Report = func(result record.Record) { d.host.Ledger.Sketch(func(r *record.Record) { fill(r, told, result) }) }
	result, err := start(ctx, options)
	d.host.Ledger.Update(func(r *record.Record) { fill(r, told, result) })
	if d.options.DryRun && result.Verdict == record.VerdictOK {
		d.host.Results.Changes(result.Changes)
	}
	return result, err
}

// fill completes the record with a deployment's result; its concerns stand behind those
// that were told before.
func fill(r *record.Record, told []record.Concern, result record.Record) {
	r.Verdict, r.Image, r.Release = result.Verdict, result.Image, result.Release
	r.Cause, r.Advice = result.Cause, result.Advice
	r.Phases = append(r.Phases[:len(r.Phases):len(r.Phases)], result.Phases...)
	r.Checks = append(r.Checks[:len(r.Checks):len(r.Checks)], result.Checks...)
	r.Soak, r.Changes = result.Soak, result.Changes
	r.Concerns, r.Migrations = slices.Concat(told, result.Concerns), result.Migrations
	r.Repairs, r.Evidence, r.Diagnosis = result.Repairs, result.Evidence, result.Diagnosis
	r.Databases, r.Undo = result.Databases, result.Undo
}

// soak is the setting as the state machine takes it.
func soak(setting config.Soak) time.Duration {
	switch setting {
	case config.SoakAuto:
		return 0
	case 0:
		return -1
	}
	return time.Duration(setting)
}

// holder names this run in the lock: the Actions run, or host and process.
func holder(run record.Run) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	process := fmt.Sprintf("%s pid %d", host, os.Getpid())
	if run.ID != "" {
		return fmt.Sprintf("run %s attempt %s on %s", run.ID, run.Attempt, process)
	}
	return process
}
