package build

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// parallelTransfers is how many blobs travel at the same time.
const parallelTransfers = 4

// pushing writes to repositories, and keeps its logins.
type pushing struct {
	session *session
	mu      sync.Mutex
	pushers map[string]*pusher
}

func newPushing(s *session) *pushing { return &pushing{session: s, pushers: map[string]*pusher{}} }

// sentBytes counts what went to all repositories, also in vain.
func (s *pushing) sentBytes() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pushers {
		n += p.bytes.Load()
	}
	return n
}

// pusher writes to one repository.
type pusher struct {
	session *session
	repo    name.Repository
	client  *http.Client
	bytes   atomic.Int64 // that were sent, also in vain
	there   sync.Map     // digests of the blobs that this pusher has seen to
}

// transfer tells how one blob got there.
type transfer struct {
	uploaded, mounted bool
	bytes             int64
}

// to logs in for writing to a repository, and for reading those of its registry that
// blobs may be mounted from.
func (s *pushing) to(ctx context.Context, repo name.Repository, from ...name.Repository) (*pusher, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pushers[repo.Name()]; p != nil {
		return p, nil
	}
	who, err := authn.Resolve(ctx, s.session.keys, repo)
	if err != nil {
		return nil, err
	}
	scopes := []string{repo.Scope(transport.PushScope)}
	for _, other := range from {
		if other.RegistryStr() == repo.RegistryStr() && other.Name() != repo.Name() {
			scopes = append(scopes, other.Scope(transport.PullScope))
		}
	}
	wire, err := transport.NewWithContext(ctx, repo.Registry, who, transport.NewUserAgent(s.session.wire, userAgent), scopes)
	if err != nil {
		return nil, err
	}
	p := &pusher{session: s.session, repo: repo, client: &http.Client{Transport: wire}}
	s.pushers[repo.Name()] = p
	return p, nil
}

// url is an address below the repository.
func (p *pusher) url(path string, query url.Values) *url.URL {
	return &url.URL{Scheme: p.repo.Scheme(), Host: p.repo.RegistryStr(), Path: "/v2/" + p.repo.RepositoryStr() + path, RawQuery: query.Encode()}
}

// upstream is what a request sends.
type upstream struct {
	header http.Header
	body   io.ReadCloser
	size   int64 // -1 when it is not known yet
	again  func() (io.ReadCloser, error)
}

func (p *pusher) do(ctx context.Context, method string, target *url.URL, up *upstream) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return nil, err
	}
	if up != nil {
		request.Header, request.Body, request.ContentLength, request.GetBody = up.header, up.body, up.size, up.again
	}
	return p.client.Do(request)
}

func (p *pusher) hasBlob(ctx context.Context, digest string) (bool, error) {
	response, err := p.do(ctx, http.MethodHead, p.url("/blobs/"+digest, nil), nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = response.Body.Close() }()
	if err := check(response, http.StatusOK, http.StatusNotFound); err != nil {
		return false, err
	}
	return response.StatusCode == http.StatusOK, nil
}

// blob brings one blob into the repository.
func (p *pusher) blob(ctx context.Context, b blob) (transfer, error) {
	var sent transfer
	if _, there := p.there.Load(b.digest); there && !b.again {
		return sent, nil
	}
	b.from = slices.DeleteFunc(slices.Clone(b.from), func(from name.Repository) bool {
		return from.RegistryStr() != p.repo.RegistryStr() || from.Name() == p.repo.Name()
	})
	u := &upload{blob: &b, pusher: p}
	err := p.session.retry.whileMoving(ctx, "upload of "+b.digest, func() (int64, error) {
		err := u.try(ctx, &sent)
		return u.offset, err
	})
	p.bytes.Add(sent.bytes)
	sent.uploaded = err == nil && !sent.mounted && sent.bytes > 0
	if err == nil {
		p.there.Store(b.digest, true)
	}
	return sent, err
}

// manifest puts a manifest under a digest or a tag.
func (p *pusher) manifest(ctx context.Context, reference string, mediaType types.MediaType, raw []byte) error {
	return p.session.retry.do(ctx, "writing manifest "+reference, func() error {
		up := &upstream{
			header: http.Header{"Content-Type": {string(mediaType)}},
			body:   io.NopCloser(bytes.NewReader(raw)), size: int64(len(raw)),
			again: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
		}
		response, err := p.do(ctx, http.MethodPut, p.url("/manifests/"+reference, nil), up)
		p.bytes.Add(int64(len(raw)))
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		return check(response, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	})
}

// blobUnknown reports whether the registry misses something that a manifest names.
func blobUnknown(err error) bool {
	return hasCode(err, transport.ManifestBlobUnknownErrorCode, transport.BlobUnknownErrorCode, "MANIFEST_REFERENCES_UNKNOWN")
}

// parallel runs the tasks, at most limit at a time, and gives all their errors.
// The context of the others ends with the first error.
func parallel(ctx context.Context, limit int, tasks ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	room, errs := make(chan struct{}, limit), make([]error, len(tasks))
	for i, task := range tasks {
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			if errs[i] = record.Guard(func() error { return task(ctx) }); errs[i] != nil {
				cancel(errs[i])
			}
		})
	}
	wait.Wait()
	var first error
	for _, err := range errs {
		// What the end of the context did to the others is not worth telling.
		if err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	return first
}

// countedBody counts what was read of it.
type countedBody struct {
	io.ReadCloser
	n   atomic.Int64
	all *atomic.Int64 // of the whole build, nil when nobody wants to know
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	if c.all != nil {
		c.all.Add(int64(n))
	}
	return n, err
}
