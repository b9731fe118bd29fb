package build

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/build/buildkit"
	"github.com/stagecrew/stagecrew/pkg/build/workspace"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// Options says what to build and where it goes. Source and Repository are
// required, for the layers builder also BaseImage.
type Options struct {
	// Builder is auto when empty, which chooses and says why in [Result].
	Builder record.Builder
	// Source is the root of the workspace. For the layers builder: package.json, a
	// lockfile, app-config.yaml, and either packages/backend/dist with the two
	// archives of `yarn build:backend`, or a built packages/backend and (without
	// Prepare) node_modules for production.
	Source string
	// BaseImage is a reference by tag or digest, by Docker's rules. It is resolved
	// to a digest once, and that digest is recorded in the image.
	BaseImage string
	// Repository is HOST[:PORT]/PATH to push to. Capitals become small letters.
	Repository string
	// Platform is one platform or several, separated by commas; "linux/amd64" when
	// empty. Several make an index. The base image must have them.
	Platform string
	// Created is the time of the image and of the application's files, in whole
	// seconds; zero means the Unix epoch. It is what SOURCE_DATE_EPOCH means
	// elsewhere. Dependencies and configuration have the epoch always, so that their
	// layers stay the same from commit to commit.
	Created time.Time
	// Version, Revision and SourceURL become the labels (and, on an OCI base, the
	// annotations) org.opencontainers.image.version, .revision and .source.
	Version, Revision, SourceURL string
	// Labels are further labels and annotations; they win over the ones above.
	Labels map[string]string
	// Include names further files or folders of Source that the application needs,
	// for example "templates". See the list in layers.go for what is always there.
	Include []string

	// Prepare runs the package manager's install, `tsc` and `build:backend` in
	// Source where its package.json has such scripts, and installs the production
	// dependencies in a folder of its own rather than to take Source's.
	Prepare bool
	// InstallScripts are the packages whose install scripts may run, "*" for all. Such a
	// script is foreign code that runs when its package is installed; without
	// it native modules are not built. Of a Yarn workspace, dependenciesMeta says which
	// may run (built: true), and only "*" is taken here.
	InstallScripts []string
	// Environ is the environment of this process, as of os.Environ. The programs of the
	// build get little of it, because it also holds the secrets of later stages;
	// Environment names further variables that they get.
	Environ, Environment []string
	// InstallFlags are added to the command that installs the production
	// dependencies, for example "--legacy-peer-deps".
	InstallFlags []string
	// InstallInputs names further files of Source that the install reads, for
	// example a script that package.json's postinstall runs.
	InstallInputs []string
	// Trees are folders with the dependencies installed for one platform each, where
	// native modules make one tree for all impossible: "linux/arm64" to a folder.
	Trees map[string]string
	// CacheRepository keeps the layers of dependencies, under tags of the form
	// stagecrew-cache-KEY; Repository when empty. Whoever may push there decides what
	// a later build takes from it.
	CacheRepository string
	// NoCache neither takes a layer from there nor leaves one.
	NoCache bool

	// Dockerfile is for the builder of that name.
	Dockerfile buildkit.Dockerfile

	// Images has the credentials and the patience for registries.
	Images registry.Access
	// Inspect, when given, is called for the image of each platform, and Build fails
	// with its error. The layers builder calls it while it pushes, with bytes that are
	// still on this machine (those of the base image and of a reused layer are read
	// from the registry); the dockerfile builder afterwards.
	Inspect func(ctx context.Context, image record.Image, local LocalImage) error
	// Timeout bounds the whole build with its transfers; 0 is no limit.
	Timeout time.Duration
	// Log gets progress; nil discards it.
	Log *slog.Logger
}

// LocalImage is an image whose layers can be read before it is pushed.
type LocalImage = v1.Image

// Validate reports all problems of the options at once. It does not look at the
// file system or the network.
func (o Options) Validate() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if err := record.CheckChoice(o.Builder); o.Builder != "" && err != nil {
		add("builder %w", err)
	}
	if o.Source == "" {
		add("source is missing: give the root folder of the Backstage workspace")
	}
	if o.BaseImage == "" && o.Builder != record.BuilderDockerfile {
		add("base image is missing: give an image with Node.js, for example node:24-trixie-slim")
	} else if _, err := name.ParseReference(o.BaseImage); o.BaseImage != "" && err != nil {
		add("parsing base image %q: %w", o.BaseImage, err)
	}
	if o.Repository == "" {
		add("repository is missing: give HOST[:PORT]/PATH to push to")
	}
	for _, repository := range []string{o.Repository, o.CacheRepository} {
		if repository == "" {
			continue
		}
		if _, err := registry.RepositoryName(repository); err != nil {
			problems = append(problems, err)
		} else if _, err := name.NewRepository(strings.ToLower(repository)); err != nil {
			add("parsing repository %q: %w", repository, err)
		}
	}
	problems = append(problems, o.checkPlatforms()...)
	problems = append(problems, o.checkLabels()...)
	problems = append(problems, workspace.CheckScripts(o.InstallScripts)...)
	if !o.Created.IsZero() && o.Created.Unix() < 0 {
		add("created %s is before 1970, which the archive format cannot hold", o.Created.Format(time.RFC3339))
	}
	if o.Created.After(latest) {
		add("created (SOURCE_DATE_EPOCH) %d is after the year 9999, which no image can say: seconds since 1970 are wanted, not milliseconds", o.Created.Unix())
	}
	if o.Timeout < 0 {
		add("timeout %s is negative", o.Timeout)
	}
	for _, path := range slices.Concat(o.Include, o.InstallInputs) {
		if !fs.ValidPath(path) || path == "." {
			add("include %q: want a path inside the source, with forward slashes and without . or ..", path)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return record.BadInput("build/options", "checking the options of the build: %w", record.Problems(problems...))
}

// otherNames are what systems call their processors, and images.
var otherNames = map[string]string{"x86_64": "amd64", "x64": "amd64", "aarch64": "arm64"}

func (o Options) checkPlatforms() (problems []error) {
	platforms := o.platforms()
	for i, platform := range platforms {
		p, err := v1.ParsePlatform(platform)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("parsing platform %q: %w", platform, err))
		case p.OS != "linux" || p.Architecture == "":
			problems = append(problems, fmt.Errorf("platform %q: want linux/ARCHITECTURE, for example linux/amd64 or linux/arm64", platform))
		case otherNames[p.Architecture] != "":
			problems = append(problems, fmt.Errorf("platform %q: images call it linux/%s", platform, otherNames[p.Architecture]))
		case slices.Contains(platforms[:i], platform):
			problems = append(problems, fmt.Errorf("platform %q is named twice", platform))
		}
	}
	for platform := range o.Trees {
		if !slices.Contains(platforms, platform) {
			problems = append(problems, fmt.Errorf("there are dependencies for platform %q, which is not built", platform))
		}
	}
	return problems
}

// platforms are those to build, in the order they were given.
func (o Options) platforms() []string {
	platforms := strings.Split(o.Platform, ",")
	for i, p := range platforms {
		platforms[i] = strings.TrimSpace(p)
	}
	return platforms
}

func (o Options) withDefaults() Options {
	if o.Builder == "" {
		o.Builder = record.BuilderAuto
	}
	if o.Created.IsZero() {
		o.Created = epoch
	}
	if o.CacheRepository == "" {
		o.CacheRepository = o.Repository
	}
	o.Repository, o.CacheRepository = strings.ToLower(o.Repository), strings.ToLower(o.CacheRepository)
	o.Created = o.Created.UTC().Truncate(time.Second)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Images.Log == nil {
		o.Images.Log = o.Log
	}
	return o
}

// latest is the last second that JSON has a form for.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

var epoch = time.Unix(0, 0).UTC()
