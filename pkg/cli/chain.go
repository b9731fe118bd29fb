package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/pkg/build"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
	"github.com/stagecrew/stagecrew/pkg/scan"
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
		s.record.Image, s.built = result.Image, err == nil
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

// runAll is the whole pipeline. The tag moves when everything else has succeeded.
func runAll(ctx context.Context, s *session) error {
	if err := s.canSign(); err != nil {
		return err
	}
	for _, stage := range []func(context.Context) error{s.build, s.scan, s.sign} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	verified, err := s.verify(ctx)
	if err != nil {
		return err
	}
	err = s.deploy(ctx, verified)
	s.attestVerdict(ctx)
	if err != nil || s.record.Verdict != pipeline.VerdictGood || s.Tag == "" {
		return err
	}
	return s.phase("tag", func() error { return build.Tag(ctx, s.record.Image, s.Tag) })
}
