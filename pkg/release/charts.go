package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/registry"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/bounded"
)

// fetchTimeout bounds a chart registry, whose client takes no context.
const fetchTimeout = 2 * time.Minute

// Charts remembers the files of charts and the values for them: what was planned is
// what is applied, although a tag may move or a file change in between. The zero
// value is ready to use.
type Charts struct {
	mu     sync.Mutex
	files  map[string]bundle
	values map[string]any
	// repeated are the keys that files of values have twice.
	repeated []string
	// options are those of the registry's client.
	options []registry.ClientOption
}

// bundle are the files of one chart.
type bundle []*loader.BufferedFile

// load makes a chart of the files, which stay as they are.
func (f bundle) load() (*chart.Chart, error) { return loader.LoadFiles(f) }

func (c *Charts) of(reference string) bundle {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[reference]
}

func (c *Charts) keep(reference string, loaded *chart.Chart) {
	var all bundle
	for _, f := range loaded.Raw {
		all = append(all, &loader.BufferedFile{Name: f.Name, Data: f.Data})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files == nil {
		c.files = map[string]bundle{}
	}
	c.files[reference] = all
}

// chart gives the chart, loaded once. Each call gives a copy of its own, because
// rendering changes it.
func (r *Release) chart(ctx context.Context) (*chart.Chart, error) {
	if r.Chart == "" {
		return nil, record.BadInput("release/no-chart", "--chart: a chart is missing; give a directory or an oci:// reference")
	}
	if known := r.Charts.of(r.Chart); known != nil {
		return known.load()
	}
	c, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	r.Charts.keep(r.Chart, c)
	return c, nil
}

// load reads the chart from a directory, an archive or a registry, and refuses
// what Helm's commands, but not its library, refuse.
func (r *Release) load(ctx context.Context) (*chart.Chart, error) {
	c, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Metadata.Type == "library":
		return nil, record.BadInput("release/library-chart", "chart %s is a library chart: it makes no objects and cannot be deployed; give the chart that uses it", r.Chart)
	case c.Metadata.Deprecated:
		r.Log.Warn("the chart says that it is deprecated", "chart", r.Chart)
	}
	if names := missingDependencies(c); len(names) > 0 {
		return nil, r.incomplete("", names)
	}
	return c, nil
}

// notThere reports whether it is the chart itself that is missing, as REPOSITORY/CHART or
// https://… are here, and not a file of it.
func notThere(chart string) bool {
	_, err := os.Lstat(chart)
	return errors.Is(err, fs.ErrNotExist)
}

func (r *Release) read(ctx context.Context) (*chart.Chart, error) {
	if !registry.IsOCI(r.Chart) {
		info, err := os.Stat(r.Chart)
		switch {
		case err == nil && !info.IsDir() && !info.Mode().IsRegular():
			return nil, record.BadInput("release/chart", "loading chart %s: it is neither a folder nor a packed chart", r.Chart)
		case err == nil && info.IsDir():
			if err := checkLinks(r.Chart); err != nil {
				return nil, record.BadInput("release/chart", "loading chart %s: %w", r.Chart, err)
			}
		}
		c, err := loader.Load(r.Chart)
		switch {
		case errors.Is(err, fs.ErrNotExist) && notThere(r.Chart):
			return nil, record.BadInput("release/chart", "loading chart %s: there is no such folder or packed chart; one of a chart repository is fetched first (`helm pull`), or named as oci://HOST/PATH", r.Chart)
		case err != nil:
			return nil, record.BadInput("release/chart", "loading chart %s: %w", r.Chart, err)
		}
		return c, nil
	}
	archive, digest, err := fetch(ctx, r.Chart, r.Charts.options...)
	if err != nil {
		return nil, err
	}
	c, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, record.BadInput("release/chart", "loading chart %s: %w", r.Chart, err)
	}
	r.Log.Info("chart fetched", "chart", r.Chart, "version", c.Metadata.Version, "digest", digest)
	return c, nil
}

// fetch gets a chart's archive and the digest of its manifest.
func fetch(ctx context.Context, reference string, options ...registry.ClientOption) (archive []byte, digest string, err error) {
	client, err := registry.NewClient(options...)
	if err != nil {
		return nil, "", fmt.Errorf("preparing the chart registry's client: %w", err)
	}
	at, err := url.Parse(reference)
	if err != nil {
		return nil, "", record.BadInput("release/chart", "--chart %s: %w", reference, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, errors.New("the registry did not answer in time"))
	defer cancel()
	got, err := bounded.Read(ctx, func() (*registry.PullResult, error) {
		// Without a tag it is the newest version.
		resolved, err := client.ValidateReference(reference, "", at)
		if err != nil {
			return nil, err
		}
		// A resolved path may lack its first slash; only String puts it back.
		return client.Pull(strings.TrimPrefix(resolved.String(), registry.OCIScheme+"://"))
	})
	switch {
	case ctx.Err() != nil:
		return nil, "", record.Unavailable("release/chart-unreachable", "fetching chart %s: %w", reference, context.Cause(ctx))
	case err != nil:
		return nil, "", unfetched(reference, err)
	}
	return got.Chart.Data, got.Manifest.Digest, nil
}

// answered is how the registry's client words a status code.
var answered = regexp.MustCompile(`response status code (\d{3})`)

// unfetched tells a chart that is not there, and a registry that wants other
// credentials, from one that cannot be reached. The client's errors are words.
func unfetched(reference string, err error) error {
	code, text := "", err.Error()
	if parts := answered.FindStringSubmatch(text); parts != nil {
		code = parts[1]
	}
	switch {
	case code == "401" || code == "403":
		return record.Unavailable("release/chart-denied", "fetching chart %s: the registry refuses access: %s; log in with `helm registry login` or `docker login`, or look whether the name is right", reference, apierror.Bounded(text))
	case code == "404", strings.HasSuffix(text, ": not found"), strings.Contains(text, "Unable to locate any tags"),
		strings.Contains(text, "Could not locate a version matching"):
		return record.BadInput("release/no-such-chart", "--chart %s: the registry has no such chart: %s", reference, apierror.Bounded(text))
	case strings.Contains(text, "invalid reference"), strings.Contains(text, "digest mismatch"):
		return record.BadInput("release/chart", "--chart %s: %s", reference, apierror.Bounded(text))
	}
	return record.Unavailable("release/chart-unreachable", "fetching chart %s: %w", reference, err)
}
