package build

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Options says what to build and where it goes. Source, BaseImage and Repository
// are required.
type Options struct {
	// Source is the root of the workspace: package.json, a lockfile, node_modules
	// (production only), packages/backend (built) and app-config.yaml.
	Source string
	// BaseImage is a reference by tag or digest, by Docker's rules. It is resolved
	// to a digest once, and that digest is recorded in the image.
	BaseImage string
	// Repository is HOST[:PORT]/PATH to push to.
	Repository string
	// Platform is "linux/amd64" when empty. The base image must have it.
	Platform string
	// Created is the time of every file and of the image, in whole seconds; zero
	// means the Unix epoch. It is what SOURCE_DATE_EPOCH means elsewhere.
	Created time.Time
	// Version, Revision and SourceURL become the labels (and, on an OCI base, the
	// annotations) org.opencontainers.image.version, .revision and .source.
	Version, Revision, SourceURL string
	// Include names further files or folders of Source that the application needs,
	// for example "templates". See the list in layers.go for what is always there.
	Include []string
	// Timeout bounds the whole build with its transfers; 30 minutes when zero.
	Timeout time.Duration
	// Log gets progress; nil discards it.
	Log *slog.Logger
}

const (
	defaultPlatform = "linux/amd64"
	defaultTimeout  = 30 * time.Minute
)

// Validate reports all problems of the options at once. It does not look at the
// file system or the network.
func (o Options) Validate() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.Source == "" {
		add("source is missing: give the root folder of the Backstage workspace")
	}
	if o.BaseImage == "" {
		add("base image is missing: give an image with Node.js, for example node:24-trixie-slim")
	} else if _, err := parseReference(o.BaseImage); err != nil {
		add("parsing base image %q: %w", o.BaseImage, err)
	}
	if o.Repository == "" {
		add("repository is missing: give HOST[:PORT]/PATH to push to")
	} else if _, err := pipeline.ParseRepository(o.Repository); err != nil {
		problems = append(problems, err)
	}
	if p, err := platformOf(o.withDefaults().Platform); err != nil {
		add("parsing platform %q: %w", o.Platform, err)
	} else if p.OS != "linux" || p.Architecture == "" {
		add("platform %q: want linux/ARCHITECTURE, for example linux/amd64 or linux/arm64", o.Platform)
	}
	if !o.Created.IsZero() && o.Created.Unix() < 0 {
		add("created %s is before 1970, which the archive format cannot hold", o.Created.Format(time.RFC3339))
	}
	if o.Timeout < 0 {
		add("timeout %s is negative", o.Timeout)
	}
	for _, path := range o.Include {
		if !fs.ValidPath(path) || path == "." {
			add("include %q: want a path inside the source, with forward slashes and without . or ..", path)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return pipeline.BadInput("build/options", "checking the options of the build: %w", errors.Join(problems...))
}

func (o Options) withDefaults() Options {
	if o.Platform == "" {
		o.Platform = defaultPlatform
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Created.IsZero() {
		o.Created = time.Unix(0, 0)
	}
	o.Created = o.Created.UTC().Truncate(time.Second)
	o.Log = discardIfNil(o.Log)
	return o
}
