package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/report"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

func runDeploy(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	verified, err := s.verify(ctx)
	if err != nil {
		return err
	}
	return s.deploy(ctx, verified)
}

func (s *session) deploy(ctx context.Context, image record.Verified) error {
	return s.engage(func(o deploy.Options) (deploy.Result, error) { return deploy.Deploy(ctx, image, o) })
}

func runGate(ctx context.Context, s *session) error {
	return s.engage(func(o deploy.Options) (deploy.Result, error) { return deploy.Gate(ctx, o) })
}

func runRecover(ctx context.Context, s *session) error {
	return s.engage(func(o deploy.Options) (deploy.Result, error) { return deploy.Recover(ctx, o) })
}

func runRollback(ctx context.Context, s *session) error {
	if s.Reason != "" {
		s.log.Info("rollback by hand", "reason", s.Reason)
		s.update(func(r *record.Record) { r.Reason = s.Reason })
	}
	to := deploy.RollbackTo{Revision: s.To, Digest: s.ToDigest, ForceBadUnsafe: s.ForceBadUnsafe}
	return s.engage(func(o deploy.Options) (deploy.Result, error) {
		o.Timeout = s.RollbackTimeout
		return deploy.Rollback(ctx, to, o)
	})
}

// engage runs the state machine and keeps its result.
func (s *session) engage(run func(deploy.Options) (deploy.Result, error)) error {
	options, err := s.deployOptions()
	if err != nil {
		return err
	}
	result, err := run(options)
	s.keep(result)
	if result.Plan != nil && s.Output == config.OutputText {
		report.Changes(s.stdout, result.Plan.Changes)
	}
	return err
}

// keep moves a deployment's result into the record.
func (s *session) keep(result deploy.Result) {
	s.update(func(r *record.Record) { fill(r, result) })
}

// fill completes the record with a deployment's result.
func fill(r *record.Record, result deploy.Result) {
	r.Verdict, r.Image, r.Release = result.Verdict, result.Image, &result.Release
	r.Cause, r.Advice = result.Cause, result.Advice
	r.Phases = append(r.Phases[:len(r.Phases):len(r.Phases)], result.Phases...)
	r.Checks = append(r.Checks[:len(r.Checks):len(r.Checks)], result.Checks...)
	r.Soak = result.Soak.Seconds()
	r.Concerns, r.Repairs, r.Evidence, r.Diagnosis = result.Concerns, result.Repairs, result.Files, result.Evidence
	if result.Plan != nil {
		r.Changes = result.Plan.Changes
	}
}

func (s *session) deployOptions() (deploy.Options, error) {
	if err := s.needsRelease(); err != nil {
		return deploy.Options{}, err
	}
	namespace, err := kube.Namespace(s.place())
	if err != nil {
		return deploy.Options{}, err
	}
	gate, err := s.gate()
	if err != nil {
		return deploy.Options{}, err
	}
	verify, err := s.verifyTarget()
	if err != nil {
		return deploy.Options{}, err
	}
	return deploy.Options{
		Release:         s.Release,
		Namespace:       namespace,
		Timeout:         s.Timeout,
		RollbackTimeout: s.RollbackTimeout,
		Soak:            soak(s.Soak),
		Asks:            gate.suite != nil,
		Verify:          verify,
		DryRun:          s.DryRun,
		Holder:          s.holder(),
		Withhold:        gate.secrets,
		Connect:         func() (deploy.Cluster, error) { return s.connect(gate) },
		Keep:            s.keepEvidence,
		Report:          func(r deploy.Result) { s.sketch(func(rec *record.Record) { fill(rec, r) }) },
		Log:             s.log,
	}, nil
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

// verifyTarget checks the image of a rollback target as that of a deploy, except for
// the age of its scan: what is gone back to is old. nil without signature settings.
func (s *session) verifyTarget() (func(context.Context, record.Image) error, error) {
	options, err := s.verifyOptions()
	if err != nil {
		return nil, err
	}
	if s.AllowUnsignedUnsafe || s.VerifyKey == "" && s.VerifyIdentity == "" && s.VerifyIdentityRegexp == "" {
		if command := s.read().Command; command == "rollback" || command == "recover" {
			s.log.Warn("the signature of the image that is gone back to is not checked; --verify-key, or --verify-identity and --verify-issuer, say how")
		}
		return nil, nil
	}
	options.Policy.MaxScanAge = 0
	return func(ctx context.Context, image record.Image) error {
		options := options
		options.Image = image
		_, err := sign.Verify(ctx, options)
		return err
	}, nil
}

func (s *session) needsRelease() error {
	if s.Release == "" {
		return record.BadInput("config/no-release", "--release: the name of the Helm release is missing")
	}
	return nil
}

// keepEvidence writes evidence into a directory of its own.
func (s *session) keepEvidence(e record.Evidence) ([]string, error) {
	dir := filepath.Join(s.EvidenceDir, fmt.Sprintf("%s-%s", s.Release, time.Now().UTC().Format("20060102T150405Z")))
	if s.redactor.Muted() {
		e.Logs = nil
		s.silenced(&e.Cause)
	}
	files, err := report.WriteEvidence(dir, redact.Copy(s.redactor, e))
	if err == nil {
		s.log.Info("evidence kept", "directory", dir, "files", len(files))
	}
	return files, err
}

// holder names this run in the lock: the Actions run, or host and process.
func (s *session) holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	process := fmt.Sprintf("%s pid %d", host, os.Getpid())
	if run := s.read().Run; run.ID != "" {
		return fmt.Sprintf("run %s attempt %s on %s", run.ID, run.Attempt, process)
	}
	return process
}
