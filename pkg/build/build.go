// Package build makes an image of a Backstage workspace and pushes it by digest.
// The layers builder needs no container daemon: it puts one layer each for
// dependencies, application and configuration on the base image, and takes the
// dependencies from an earlier build where what determines them is the same. The
// same inputs give the same digest. The dockerfile builder drives BuildKit.
package build

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// Names of the layers in [Result]. An image has as many base layers as its base;
// those of the dockerfile builder all have its name.
const (
	LayerBase          = "base"
	LayerDependencies  = "dependencies"
	LayerApplication   = "application"
	LayerConfiguration = "configuration"
	LayerDockerfile    = "dockerfile"
)

// Layer is one layer of a built image.
type Layer struct {
	Platform string // "linux/amd64"
	Name     string // LayerBase, LayerDependencies, LayerApplication or LayerConfiguration
	Digest   string // of the compressed bytes, "sha256:…"
	Size     int64  // compressed bytes
	Uploaded bool   // its bytes were sent; false when the registry had them already
	Mounted  bool   // the registry linked it from another of its repositories
	Reused   bool   // taken from an earlier build, without its bytes
	Key      string // what determines it, for dependencies; "" when that is not known
}

// Platform is the image of one platform.
type Platform struct {
	Name  string // "linux/amd64"
	Image record.Image
	Base  record.Image // the manifest of the base image for it; zero for a Dockerfile
}

// Result is a pushed image.
type Result struct {
	// Image is what was built: an index when there are several platforms.
	Image record.Image
	// Base is the base image of the first platform.
	Base      record.Image
	Platforms []Platform
	Layers    []Layer // of each platform, bottom to top
	// Builder is the one that was used, and Reason why.
	Builder record.Builder
	Reason  string
	// Sent counts the bytes that went to the registries, also in vain; 0 for a
	// Dockerfile, whose builder does not tell. Retries counts the requests that were
	// tried again.
	Sent    int64
	Retries int
	// Phases are the steps with their times.
	Phases []record.Phase
	// Warnings are what went wrong without an effect on the image.
	Warnings []string
}

// Build makes the image and pushes it by digest; no tag of a release is written,
// see pkg/tags. Errors about the workspace or the options are of kind
// input, errors of a registry of kind unavailable.
func Build(ctx context.Context, o Options) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	o = o.withDefaults()
	builder, reason := choose(o)
	o.Log.Info("builder chosen", "builder", builder, "reason", reason)
	result, err := within(ctx, o, builder)
	if err != nil {
		return Result{}, err
	}
	result.Builder, result.Reason = builder, reason
	for _, l := range result.Layers {
		o.Log.Debug("layer", "platform", l.Platform, "name", l.Name, "digest", l.Digest, "bytes", l.Size, "uploaded", l.Uploaded, "mounted", l.Mounted, "reused", l.Reused)
	}
	o.Log.Info("image pushed by digest", "image", result.Image, "sent-bytes", result.Sent, "retries", result.Retries)
	return result, nil
}

// within builds in the time that there is. What its end interrupts has many words for it,
// and none that help.
func within(ctx context.Context, o Options, builder record.Builder) (Result, error) {
	limited, cancel := retry.Limited(ctx, o.Timeout)
	defer cancel()
	build := buildLayers
	if builder == record.BuilderDockerfile {
		build = buildDockerfile
	}
	result, err := build(limited, o)
	if err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		return Result{}, record.Unavailable("build/timeout", "building %q: not done after %s: %w; give it more time with --build-timeout", o.Source, o.Timeout, err)
	}
	return result, err
}

// phase runs one step and notes its time.
func (r *Result) phase(name string, step func() error) error {
	p, err := timed(name, step)
	r.Phases = append(r.Phases, p)
	return err
}

func timed(name string, step func() error) (record.Phase, error) {
	p := record.Phase{Name: name, Start: time.Now(), Result: record.PhaseOK}
	err := step()
	if p.End = time.Now(); err != nil {
		p.Result = record.PhaseFailed
	}
	return p, err
}

// warn notes something that the image does not suffer from.
func (r *Result) warn(log *slog.Logger, what string, err error) {
	text := what + ": " + registry.Shown(err).Error()
	log.Warn(text)
	r.Warnings = append(r.Warnings, text)
}
