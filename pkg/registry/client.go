package registry

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stagecrew/stagecrew/pkg/retry"
)

// Access reads, names and copies images in registries. The zero value uses the
// credentials of `docker login` and rides out a registry's bad minute.
type Access struct {
	// Credentials are asked before the Docker configuration.
	Credentials []Credentials
	// Getenv says where the files of `docker login` and `podman login` are; nil has no
	// variables, so that those in the home folder count.
	Getenv func(string) string
	// Retry says how a request is tried again; the zero value rides out a minute.
	Retry retry.Policy
	// Insecure names registries, as HOST or HOST:PORT, that may be asked without
	// encryption.
	Insecure []string
	// Stall ends a connection on which nothing moves; [Stall] when zero.
	Stall time.Duration
	// MaxAnswer and MaxBlob replace the constants of these names.
	MaxAnswer, MaxBlob int64
	// Sent, when given, counts the bytes of layers while they go, for a progress bar.
	Sent *atomic.Int64
	// Log gets progress and each retry; nil discards it.
	Log *slog.Logger
}

// Client is one talk with registries, see [Access.Connect].
type Client struct {
	Retry *Retrier
	// Transport tries reading requests again; whoever writes does so itself.
	Transport http.RoundTripper
	Keys      authn.Keychain
	Log       *slog.Logger  // never nil
	Sent      *atomic.Int64 // may be nil

	base   *Transport
	mu     sync.Mutex
	puller *remote.Puller
}

// Connect begins a talk; nothing is asked yet.
func (a Access) Connect() *Client {
	log := cmp.Or(a.Log, slog.New(slog.DiscardHandler))
	retrier := &Retrier{policy: withDefaults(a.Retry), log: log}
	base := NewTransport(TransportOptions{Insecure: a.Insecure, Stall: a.Stall, MaxAnswer: a.MaxAnswer, MaxBlob: a.MaxBlob})
	talk := &greeting{next: &retrying{next: base, retry: retrier}, hosts: map[string]*greeted{}}
	return &Client{Retry: retrier, Transport: talk, Keys: a.keychain(), Log: log, Sent: a.Sent, base: base}
}

// Close ends connections that no request uses.
func (c *Client) Close() { c.base.next.CloseIdleConnections() }

// Options for the library's own requests; those are tried again below it.
func (c *Client) Options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(c.Keys),
		remote.WithTransport(c.Transport),
		remote.WithUserAgent(UserAgent),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1, Duration: time.Millisecond}),
		remote.WithRetryStatusCodes(),
	}
}

// UserAgent is how registries know us. Harbor lets those who push read an image that a rule
// of the project keeps from being pulled, as it is not signed yet, where the word cosign is
// in it (goharbor/harbor#22650, sigstore/cosign#3163).
const UserAgent = "stagecrew (signs as cosign)"

// Puller gives the reader of manifests and blobs, which keeps its logins.
func (c *Client) Puller(ctx context.Context) (*remote.Puller, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.puller != nil {
		return c.puller, nil
	}
	puller, err := remote.NewPuller(c.Options(ctx)...)
	if err != nil {
		return nil, err
	}
	c.puller = puller
	return puller, nil
}

// Get reads a manifest. One that does not have its digest is read again.
func (c *Client) Get(ctx context.Context, ref name.Reference) (*remote.Descriptor, error) {
	puller, err := c.Puller(ctx)
	if err != nil {
		return nil, err
	}
	return puller.Get(ctx, ref)
}

// Head asks for the digest of a reference.
func (c *Client) Head(ctx context.Context, ref name.Reference) (*v1.Descriptor, error) {
	puller, err := c.Puller(ctx)
	if err != nil {
		return nil, err
	}
	found, err := puller.Head(ctx, ref)
	if err == nil || IsNotFound(err) {
		return found, err
	}
	// Some registries answer HEAD badly, and its errors have no words.
	descriptor, err := puller.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &descriptor.Descriptor, nil
}

// Has reports whether the registry has what a reference names. Some answer HEAD with 404 for
// what they have (nicholas-fedor/watchtower#669), so that a no is asked for again.
func (c *Client) Has(ctx context.Context, ref name.Reference) (bool, error) {
	err := c.lookFor(ctx, ref)
	if IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// lookFor is the error of what is not there, or cannot be looked for.
func (c *Client) lookFor(ctx context.Context, ref name.Reference) error {
	_, err := c.Head(ctx, ref)
	if IsNotFound(err) {
		_, err = c.Get(ctx, ref)
	}
	return err
}

// OpenBlob reads a blob from an offset on.
func (c *Client) OpenBlob(ctx context.Context, ref name.Digest, offset int64) (io.ReadCloser, error) {
	puller, err := c.Puller(ctx)
	if err != nil {
		return nil, err
	}
	layer, err := puller.Layer(ctx, ref)
	if err != nil {
		return nil, err
	}
	body, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, body, offset); err != nil {
		return nil, errors.Join(err, body.Close())
	}
	return body, nil
}
