package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/pkg/build"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
	"github.com/stagecrew/stagecrew/pkg/scan"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

func runBuild(ctx context.Context, s *session) error { return s.build(ctx) }

func runScan(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	return s.scan(ctx)
}

func runSign(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	return s.sign(ctx)
}

func runVerify(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	_, err := s.verify(ctx)
	return err
}

// givenImage reads --image into the record.
func (s *session) givenImage() error {
	image, err := pipeline.ParseImage(s.Image)
	if err != nil {
		return pipeline.BadInput("config/image", "--image: %w", err)
	}
	s.record.Image = image
	return nil
}

func (s *session) build(ctx context.Context) error {
	options := build.Options{
		Source:     s.Source,
		BaseImage:  s.BaseImage,
		Repository: s.Repository,
		Platform:   s.Platform,
		Version:    s.VersionLabel,
		Revision:   s.record.Run.Commit,
		Log:        s.log,
	}
	return s.phase("build", func() error {
		result, err := build.Build(ctx, options)
		s.record.Image = result.Image
		return err
	})
}

func (s *session) scan(ctx context.Context) error {
	cache := s.ScanCacheDir
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return pipeline.BadInput("config/no-cache-dir", "finding a place for the vulnerability database: %w; give --scan-cache-dir", err)
		}
		cache = filepath.Join(user, "stagecrew", "scan")
	}
	options := scan.Options{
		Image:          s.record.Image,
		Database:       s.ScanDatabase,
		CacheDir:       cache,
		Threshold:      pipeline.Severity(s.ScanThreshold),
		FixedOnly:      s.ScanFixedOnly,
		MaxDatabaseAge: s.ScanMaxDatabaseAge,
		Log:            s.log,
	}
	return s.phase("scan", func() error {
		report, err := scan.Scan(ctx, options)
		if err != nil {
			return err
		}
		s.record.Scan = &report
		if err := scan.Table(s.stderr, report); err != nil {
			return err
		}
		return scan.Refuse(report)
	})
}

func (s *session) sign(ctx context.Context) error {
	return s.phase("sign", func() error {
		signature, err := sign.Sign(ctx, sign.SignOptions{Image: s.record.Image, Key: s.SignKey, Password: s.SignPassword, Log: s.log})
		if err == nil {
			s.log.Info("signed", "image", s.record.Image, "by", signature.Identity)
		}
		return err
	})
}

func (s *session) verify(ctx context.Context) (pipeline.Verified, error) {
	var verified pipeline.Verified
	err := s.phase("verify", func() (err error) {
		verified, err = sign.Verify(ctx, sign.VerifyOptions{
			Image:               s.record.Image,
			Key:                 s.VerifyKey,
			Identity:            s.VerifyIdentity,
			Issuer:              s.VerifyIssuer,
			AllowUnsignedUnsafe: s.AllowUnsignedUnsafe,
			Log:                 s.log,
		})
		if err == nil && !verified.Unsafe() {
			s.log.Info("signature verified", "image", s.record.Image, "signed-by", verified.Identity())
		}
		return err
	})
	return verified, err
}

// runAll is the whole pipeline. The tag moves when everything else has succeeded.
func runAll(ctx context.Context, s *session) error {
	for _, stage := range []func(context.Context) error{s.build, s.scan, s.sign} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	verified, err := s.verify(ctx)
	if err != nil {
		return err
	}
	if err := s.deploy(ctx, verified); err != nil || s.record.Verdict != pipeline.VerdictGood || s.Tag == "" {
		return err
	}
	return s.phase("tag", func() error { return build.Tag(ctx, s.record.Image, s.Tag) })
}
