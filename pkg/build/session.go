package build

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// Images reads, names and copies images in registries. The zero value uses the
// credentials of `docker login` and rides out a registry's bad minute.
type Images struct {
	// Credentials are asked before the Docker configuration.
	Credentials []Credentials
	// Retry says how a request is tried again.
	Retry Retry
	// Insecure names registries, as HOST or HOST:PORT, that may be asked without
	// encryption.
	Insecure []string
	// Sent, when given, counts the bytes of layers while they go, for a progress bar.
	Sent *atomic.Int64
	// Log gets progress and each retry; nil discards it.
	Log *slog.Logger
}

// session is one talk with registries.
type session struct {
	retry *retrier
	wire  http.RoundTripper
	keys  authn.Keychain
	log   *slog.Logger
	sent  *atomic.Int64

	mu     sync.Mutex
	puller *remote.Puller
}

func (i Images) session() *session {
	log := discardIfNil(i.Log)
	retry := &retrier{policy: i.Retry.withDefaults(), log: log}
	return &session{retry: retry, wire: newWire(retry, registry.Options{Insecure: i.Insecure}), keys: keychain(i.Credentials), log: log, sent: i.Sent}
}

// options for the library's own requests; those are tried again below it.
func (s *session) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(s.keys),
		remote.WithTransport(s.wire),
		remote.WithUserAgent(userAgent),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1, Duration: time.Millisecond}),
		remote.WithRetryStatusCodes(),
	}
}

const userAgent = "stagecrew"

// read gives the reader of manifests and blobs, which keeps its logins.
func (s *session) read(ctx context.Context) (*remote.Puller, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.puller != nil {
		return s.puller, nil
	}
	puller, err := remote.NewPuller(s.options(ctx)...)
	if err != nil {
		return nil, err
	}
	s.puller = puller
	return puller, nil
}

// get reads a manifest. One that does not have its digest is read again.
func (s *session) get(ctx context.Context, ref name.Reference) (*remote.Descriptor, error) {
	puller, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	return puller.Get(ctx, ref)
}

// head asks for the digest of a reference.
func (s *session) head(ctx context.Context, ref name.Reference) (*v1.Descriptor, error) {
	puller, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	found, err := puller.Head(ctx, ref)
	if err == nil || isNotFound(err) {
		return found, err
	}
	// Some registries answer HEAD badly, and its errors have no words.
	descriptor, err := puller.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &descriptor.Descriptor, nil
}

func isNotFound(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

// fromNetwork tells a registry's error from one about what it holds.
func fromNetwork(err error) bool {
	var answer *transport.Error
	var request *url.Error
	return errors.As(err, &answer) || errors.As(err, &request)
}

// registryError sorts what a registry answered. The answer is foreign text.
func registryError(err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	var sorted *record.Error
	if errors.As(err, &sorted) {
		return err
	}
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return record.Unavailable("build/registry-unavailable",
			"%s: %w; check the address and that the registry is reachable from here", doing, bounded{err})
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		host := "HOST"
		if answer.Request != nil {
			host = answer.Request.URL.Host
		}
		return record.Unavailable("build/registry-denied",
			"%s: %w; log in first (`docker login %s`) with an account that may do it", doing, bounded{err}, host)
	case http.StatusNotFound:
		return record.BadInput("build/image-not-found",
			"%s: %w; check the spelling, some registries also hide what the account may not see", doing, bounded{err})
	}
	return record.Unavailable("build/registry-unavailable", "%s: %w", doing, bounded{err})
}
