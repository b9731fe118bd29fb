package cli

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stagecrew/stagecrew/pkg/build"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func runBuild(ctx context.Context, s *session) error {
	return s.phase("build", func() error { return s.build(ctx, s.log, nil) })
}

// images talk to registries with the credentials and the patience of the settings.
func (s *session) images(log *slog.Logger) build.Images {
	images := build.Images{Retry: build.Retry{Attempts: s.PushAttempts}, Insecure: s.InsecureRegistries, Log: log}
	if s.RegistryUsername != "" || s.RegistryPassword != "" {
		for _, repository := range []string{s.Repository, s.ToRepository, s.read().Image.Repository} {
			host, _, found := strings.Cut(repository, "/")
			if found {
				// Names of hosts are compared as registries write them.
				images.Credentials = append(images.Credentials, build.Credentials{Host: strings.ToLower(host), Username: s.RegistryUsername, Password: s.RegistryPassword})
			}
		}
	}
	return images
}

// build makes and pushes the image and puts it on the record. inspect may look at
// it before it has arrived, and refuse it.
func (s *session) build(ctx context.Context, log *slog.Logger, inspect func(context.Context, record.Image, build.LocalImage) error) error {
	options, err := s.buildOptions(log)
	if err != nil {
		return err
	}
	options.Inspect = inspect
	options.Images.Sent = new(atomic.Int64)
	defer s.progress(options.Images.Sent)()
	result, err := build.Build(ctx, options)
	if err != nil {
		return err
	}
	s.update(func(r *record.Record) {
		r.Image, r.Built = result.Image, built(result)
		for _, p := range result.Phases {
			p.Name = "build: " + p.Name
			if p.Name == "build: push" {
				p.Bytes = result.Sent
			}
			r.Phases = append(r.Phases, p)
		}
	})
	s.built = true
	return nil
}

func (s *session) buildOptions(log *slog.Logger) (build.Options, error) {
	labels, labelsErr := pairs("label", s.Labels)
	arguments, argumentsErr := pairs("build-arg", s.BuildArgs)
	trees, treesErr := pairs("dependency-tree", s.DependencyTrees)
	created, createdErr := s.created()
	return build.Options{
		Builder:         s.Builder,
		Source:          s.Source,
		BaseImage:       s.BaseImage,
		Repository:      s.Repository,
		Platform:        s.Platform,
		Created:         created,
		Version:         s.version(),
		Revision:        cmp.Or(s.Revision, s.read().Run.Commit),
		SourceURL:       cmp.Or(s.SourceURL, s.actions.Source().Repository),
		Labels:          labels,
		Include:         s.BuildInclude,
		Prepare:         s.Prepare,
		InstallFlags:    s.InstallFlags,
		InstallInputs:   s.InstallInputs,
		InstallScripts:  s.InstallScripts,
		Environ:         s.environ,
		Environment:     s.BuildEnv,
		Trees:           trees,
		CacheRepository: s.CacheRepository,
		NoCache:         s.NoCache,
		Dockerfile: build.Dockerfile{
			File: s.Dockerfile, Target: s.DockerfileStage, Args: arguments, Secrets: s.BuildSecrets, Tool: s.BuildTool,
		},
		Images: s.images(log),
		Log:    log,
	}, errors.Join(labelsErr, argumentsErr, treesErr, createdErr)
}

// created is SOURCE_DATE_EPOCH, in seconds since 1970; zero without it.
func (s *session) created() (time.Time, error) {
	text := s.getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, record.BadInput("config/invalid", "SOURCE_DATE_EPOCH %q: want whole seconds since 1970", text)
	}
	return time.Unix(seconds, 0), nil
}

func built(r build.Result) *record.Built {
	b := &record.Built{Builder: r.Builder, Reason: r.Reason, Base: r.Base, Sent: r.Sent, Retries: r.Retries, Warnings: r.Warnings}
	for _, l := range r.Layers {
		origin := "present"
		switch {
		case l.Reused:
			origin = "reused"
		case l.Mounted:
			origin = "mounted"
		case l.Uploaded:
			origin = "sent"
		}
		b.Layers = append(b.Layers, record.BuiltLayer{Platform: l.Platform, Name: l.Name, Digest: l.Digest, Size: l.Size, Origin: origin})
	}
	return b
}

// pairs reads KEY=VALUE settings.
func pairs(setting string, all []string) (map[string]string, error) {
	m := map[string]string{}
	for _, one := range all {
		key, value, found := strings.Cut(one, "=")
		if !found || key == "" {
			return nil, record.BadInput("config/invalid", "--%s %q: want KEY=VALUE", setting, one)
		}
		m[key] = value
	}
	return m, nil
}

func runValidate(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	return s.phase("validate", func() error {
		checks, err := build.Validate(ctx, s.images(s.log), s.read().Image)
		s.update(func(r *record.Record) { r.Checks = checks })
		if err != nil {
			return err
		}
		var failed []string
		for _, c := range checks {
			level := slog.LevelInfo
			if c.Result != record.CheckPassed {
				level = slog.LevelWarn
			}
			s.log.Log(ctx, level, string(c.Result), "check", c.Name, "platform", c.Target, "detail", c.Detail)
			if c.Result == record.CheckFailed {
				failed = append(failed, c.Name)
			}
		}
		if len(failed) > 0 {
			return record.Refused("build/not-valid", "image %q fails the checks %s", s.read().Image, strings.Join(failed, ", "))
		}
		return nil
	})
}
