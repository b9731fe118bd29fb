//go:build goexperiment.jsonv2

package scan

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// session is one scan on its way.
type session struct {
	options Options
	log     *slog.Logger
	client  *http.Transport
}

func run(ctx context.Context, o Options) (pipeline.ScanReport, error) {
	s := session{options: o, log: o.log(), client: newClient()}
	defer s.client.CloseIdleConnections()
	base, err := s.database(ctx)
	if err != nil {
		return pipeline.ScanReport{}, err
	}
	images, err := s.images(ctx)
	if err != nil {
		return pipeline.ScanReport{}, err
	}
	report := pipeline.ScanReport{Image: o.Image, Findings: []pipeline.Finding{}, DatabaseUpdated: base.UpdatedAt}
	for _, image := range images {
		s.log.Debug("scanning", "image", image.Name())
		found, err := analyze(ctx, base, image, s.log)
		if err != nil {
			return pipeline.ScanReport{}, err
		}
		report.Packages += found.packages
		report.Findings = append(report.Findings, found.findings...)
	}
	decide(&report, o)
	return report, nil
}

// newClient gives a transport of our own: Trivy's command line replaces
// http.DefaultTransport for the whole process, which this package must not.
func newClient() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		MaxIdleConnsPerHost:   10,
	}
}

func (s session) remote(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithTransport(s.client),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithUserAgent("stagecrew"),
	}
}

// guarded turns a panic of work into an error. A database that is cut off shows as
// a memory fault while its mapped file is read, which is made a panic, too.
func guarded(work func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %s", clean(fmt.Sprint(r), 300))
		}
	}()
	return work()
}
