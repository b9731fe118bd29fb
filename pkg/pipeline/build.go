package pipeline

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
	"github.com/stagecrew/stagecrew/pkg/build/buildkit"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// buildStage makes and pushes the image. While it is on its way it is offered to the
// scan, if there is one.
func buildStage(s *slice) (func(context.Context, inputs) (record.Image, error), error) {
	options, err := s.buildOptions()
	if err := errors.Join(err, options.Validate()); err != nil {
		return nil, err
	}
	return func(ctx context.Context, in inputs) (made record.Image, err error) {
		options := options
		way, isLookedAt := offered.made(in)
		if isLookedAt {
			options.Inspect = way.show
		}
		err = s.phaseBeside("build", func(log *slog.Logger) error {
			options.Log, options.Images.Log, options.Images.Sent = log, log, new(atomic.Int64)
			defer s.host.Console.Progress(options.Images.Sent)()
			result, err := build.Build(ctx, options)
			if err != nil {
				return err
			}
			made = result.Image
			s.host.Ledger.Update(func(r *record.Record) { recordBuild(r, result) })
			return nil
		})
		if err == nil && isLookedAt {
			way.end(made)
		}
		return made, err
	}, nil
}

func (s *slice) buildOptions() (build.Options, error) {
	b := s.settings.Build
	labels, labelsErr := pairs("label", b.Labels)
	arguments, argumentsErr := pairs("build-arg", b.BuildArgs)
	trees, treesErr := pairs("dependency-tree", b.DependencyTrees)
	made, createdErr := created(s.host.Getenv("SOURCE_DATE_EPOCH"))
	return build.Options{
		Builder:         b.Builder,
		Source:          b.Source,
		BaseImage:       b.BaseImage,
		Repository:      s.settings.Repository,
		Platform:        b.Platform,
		Created:         made,
		Version:         version(s.settings.Version, s.host.Actions),
		Revision:        s.host.commit(s.settings),
		SourceURL:       cmp.Or(b.SourceURL, s.host.Actions.Source().Repository),
		Labels:          labels,
		Include:         b.BuildInclude,
		Prepare:         b.Prepare,
		InstallFlags:    b.InstallFlags,
		InstallInputs:   b.InstallInputs,
		InstallScripts:  b.InstallScripts,
		Environ:         s.host.Environ,
		Environment:     b.BuildEnv,
		Trees:           trees,
		CacheRepository: b.CacheRepository,
		NoCache:         b.NoCache,
		Timeout:         b.BuildTimeout,
		Dockerfile: buildkit.Dockerfile{
			File: b.Dockerfile, Target: b.DockerfileStage, Args: arguments, Secrets: b.BuildSecrets, Tool: b.BuildTool,
		},
		Images: s.images(),
	}, errors.Join(labelsErr, argumentsErr, treesErr, createdErr)
}

// created is SOURCE_DATE_EPOCH, in seconds since 1970; zero without it.
func created(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, record.BadInput("config/invalid", "SOURCE_DATE_EPOCH %q: want whole seconds since 1970", text)
	}
	return time.Unix(seconds, 0), nil
}

// recordBuild puts a build on the record.
func recordBuild(r *record.Record, result build.Result) {
	r.Image, r.Built = result.Image, built(result)
	for _, p := range result.Phases {
		p.Name = "build: " + p.Name
		if p.Name == "build: push" {
			p.Bytes = result.Sent
		}
		r.Phases = append(r.Phases, p)
	}
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
