//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"cmp"
	"context"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/scan/trivylog"
)

// session is one scan on its way.
type session struct {
	options Options
	log     *slog.Logger
	// Of our own, as Trivy replaces http.DefaultTransport: for the image, and, with less
	// patience, as there may be another one, for databases.
	images, databases *registry.Client
	ignores           *ignores
	missed            *trivylog.Missed
	started           time.Time
}

func run(ctx context.Context, o Options) (Result, error) {
	s := session{options: o, log: o.log(), missed: &trivylog.Missed{}, started: time.Now().UTC().Truncate(time.Second)}
	s.images, s.databases = o.connect()
	defer s.images.Close()
	defer s.databases.Close()
	var err error
	if s.ignores, err = readIgnores(o.IgnoreFile, s.started); err != nil {
		return Result{}, err
	}
	for _, remark := range s.ignores.remarks {
		s.log.Warn("ignore file "+o.IgnoreFile, "remark", remark)
	}
	if err := checkVEX(o.VEX); err != nil {
		return Result{}, err
	}
	base, found, err := s.prepare(ctx)
	if err != nil {
		return Result{}, err
	}
	if !usable(base.dir) { // another process got a newer one and removed it
		if base, err = s.database(ctx); err != nil {
			return Result{}, err
		}
	}
	reports, err := s.compare(ctx, base, found)
	if err != nil {
		return Result{}, err
	}
	results := make([]Result, 0, len(reports))
	for i, report := range reports {
		result, err := s.result(found[i].image, report, base.UpdatedAt)
		if err != nil {
			return Result{}, err
		}
		results = append(results, result)
	}
	if len(results) == 1 && results[0].Report.Image == o.Image {
		return results[0], nil
	}
	return Combine(o.Image, results...), nil
}

// prepare fetches the database and reads the image, side by side. The first error
// ends both.
func (s session) prepare(parent context.Context) (base database, found []analysis, err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var side sync.WaitGroup
	side.Go(func() {
		if problem := record.Guard(func() (err error) { base, err = s.database(ctx); return err }); problem != nil {
			cancel(problem)
		}
	})
	found, problem := s.analyze(ctx)
	if problem != nil {
		cancel(problem)
	}
	side.Wait()
	return base, found, context.Cause(ctx)
}

const (
	// stall is shorter than that of a push: another database may serve.
	stall = time.Minute
	// databaseAttempts is how often a request to the registry of a database is tried.
	databaseAttempts = 3
)

func (o Options) connect() (images, databases *registry.Client) {
	access := o.Images
	access.Log, access.Stall = o.log(), cmp.Or(access.Stall, stall)
	images = access.Connect()
	access.Retry.Attempts = databaseAttempts
	return images, access.Connect()
}

// version is Trivy's, of which its own code knows nothing when it is a library.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/aquasecurity/trivy" {
				return strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	return "unknown"
}
