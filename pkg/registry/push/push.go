// Package push brings blobs, manifests and whole images to registries: in one request
// per blob, while it may still be packed, and, when that breaks off, on from where it
// broke.
package push

import (
	"bytes"
	"context"
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

	"github.com/stagecrew/stagecrew/pkg/registry"
)

// parallelTransfers is how many blobs travel at the same time.
const parallelTransfers = 4

// Session writes to repositories, and keeps its logins.
type Session struct {
	session      *registry.Client
	mu           sync.Mutex
	repositories map[string]*Repository
}

// New is a session with the settings and the logins of a client.
func New(s *registry.Client) *Session {
	return &Session{session: s, repositories: map[string]*Repository{}}
}

// SentBytes counts what went to all repositories, also in vain.
func (s *Session) SentBytes() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.repositories {
		n += p.Bytes.Load()
	}
	return n
}

// Repository writes to one repository.
type Repository struct {
	session  *registry.Client
	Repo     name.Repository
	client   *http.Client
	Bytes    atomic.Int64 // that were sent, also in vain
	uploaded sync.Map     // digests of the blobs that this pusher has seen to
}

// Transfer tells how one blob got there.
type Transfer struct {
	Uploaded, Mounted bool
	bytes             int64
}

// To logs in for writing to a repository, and for reading those of its registry that
// blobs may be mounted from.
func (s *Session) To(ctx context.Context, repo name.Repository, from ...name.Repository) (*Repository, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.repositories[repo.Name()]; p != nil {
		return p, nil
	}
	who, err := authn.Resolve(ctx, s.session.Keys, repo)
	if err != nil {
		return nil, err
	}
	scopes := []string{repo.Scope(transport.PushScope)}
	for _, other := range from {
		if other.RegistryStr() == repo.RegistryStr() && other.Name() != repo.Name() {
			scopes = append(scopes, other.Scope(transport.PullScope))
		}
	}
	authorized, err := transport.NewWithContext(ctx, repo.Registry, who, transport.NewUserAgent(s.session.Transport, registry.UserAgent), scopes)
	if err != nil {
		return nil, err
	}
	p := &Repository{session: s.session, Repo: repo, client: &http.Client{Transport: authorized}}
	s.repositories[repo.Name()] = p
	return p, nil
}

// url is an address below the repository.
func (p *Repository) url(path string, query url.Values) *url.URL {
	return &url.URL{Scheme: p.Repo.Scheme(), Host: p.Repo.RegistryStr(), Path: "/v2/" + p.Repo.RepositoryStr() + path, RawQuery: query.Encode()}
}

// upstream is what a request sends.
type upstream struct {
	header http.Header
	body   io.ReadCloser
	size   int64 // -1 when it is not known yet
	rewind func() (io.ReadCloser, error)
}

func (p *Repository) request(ctx context.Context, method string, target *url.URL, up *upstream) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return nil, err
	}
	if up != nil {
		request.Header, request.Body, request.ContentLength, request.GetBody = up.header, up.body, up.size, up.rewind
	}
	return p.client.Do(request)
}

// hasBlob does not read the blob of a registry that wants to be asked by GET.
func (p *Repository) hasBlob(ctx context.Context, digest string) (bool, error) {
	response, err := p.request(ctx, http.MethodHead, p.url("/blobs/"+digest, nil), nil)
	if err == nil && (response.StatusCode == http.StatusMethodNotAllowed || response.StatusCode == http.StatusNotImplemented) {
		_ = response.Body.Close()
		response, err = p.request(ctx, http.MethodGet, p.url("/blobs/"+digest, nil), nil)
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = response.Body.Close() }()
	if err := registry.Check(response, http.StatusOK, http.StatusNotFound); err != nil {
		return false, err
	}
	return response.StatusCode == http.StatusOK, nil
}

// Blob brings one blob into the repository.
func (p *Repository) Blob(ctx context.Context, b Blob) (Transfer, error) {
	var sent Transfer
	if _, there := p.uploaded.Load(b.Digest); there && !b.force {
		return sent, nil
	}
	b.From = slices.DeleteFunc(slices.Clone(b.From), func(from name.Repository) bool {
		return from.RegistryStr() != p.Repo.RegistryStr() || from.Name() == p.Repo.Name()
	})
	u := &upload{Blob: &b, pusher: p}
	err := p.session.Retry.WhileMoving(ctx, "upload of "+b.Digest, func() (int64, error) {
		err := u.try(ctx, &sent)
		return u.offset, err
	})
	p.Bytes.Add(sent.bytes)
	sent.Uploaded = err == nil && !sent.Mounted && sent.bytes > 0
	if err == nil {
		p.uploaded.Store(b.Digest, true)
	}
	return sent, err
}

// Manifest puts a manifest under a digest or a tag.
func (p *Repository) Manifest(ctx context.Context, reference string, mediaType types.MediaType, raw []byte) error {
	return p.session.Retry.Do(ctx, "writing manifest "+reference, func() error {
		up := &upstream{
			header: http.Header{"Content-Type": {string(mediaType)}},
			body:   io.NopCloser(bytes.NewReader(raw)), size: int64(len(raw)),
			rewind: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
		}
		response, err := p.request(ctx, http.MethodPut, p.url("/manifests/"+reference, nil), up)
		p.Bytes.Add(int64(len(raw)))
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		return registry.Check(response, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	})
}

// Tag puts the manifest of an image that the repository has under a tag: a registry that
// misses a blob of it has not found it yet, as in [Repository.Image].
func (p *Repository) Tag(ctx context.Context, tag string, mediaType types.MediaType, raw []byte) error {
	return p.session.Retry.DoIf(ctx, "writing tag "+tag, blobUnknown, func() error {
		return p.Manifest(ctx, tag, mediaType, raw)
	})
}

// blobUnknown reports whether the registry misses something that a manifest names.
func blobUnknown(err error) bool {
	return registry.HasCode(err, transport.ManifestBlobUnknownErrorCode, transport.BlobUnknownErrorCode, "MANIFEST_REFERENCES_UNKNOWN")
}

// countedBody counts what was read of it.
type countedBody struct {
	io.ReadCloser
	sent  *atomic.Int64 // of the request, however often it is sent
	all   *atomic.Int64 // of the whole build, nil when that is not counted
	begun atomic.Bool
}

// Begin reports whether this is the first time that it is sent, for [registry.Transport].
func (c *countedBody) Begin() bool { return !c.begun.Swap(true) }

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sent.Add(int64(n))
	if c.all != nil {
		c.all.Add(int64(n))
	}
	return n, err
}
