package push

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/stagecrew/stagecrew/pkg/registry"
)

// Blob is something to upload.
type Blob struct {
	// Digest and size are unknown ("", -1) while the blob is still being written;
	// finish waits for them.
	Digest string
	Size   int64
	Finish func() (digest string, size int64, err error)
	// Open gives the bytes from an offset on.
	Open func(offset int64) (io.ReadCloser, error)
	// From names repositories that have it; those of the same registry can lend it.
	From []name.Repository
	// force says that the registry's word about having it is not to be trusted.
	force bool
}

// upload is one blob on its way. What the registry has got survives an attempt.
type upload struct {
	*Blob
	pusher   *Repository
	location *url.URL // of the upload; nil before it has begun
	offset   int64    // bytes that the registry has
	mounts   int      // repositories that were tried
	entire   bool     // it goes in one piece: the registry does not go on with uploads
}

// try makes one attempt, which continues where the last one broke off.
func (u *upload) try(ctx context.Context, sent *Transfer) error {
	if u.entire {
		u.location = nil
	}
	if u.location != nil {
		u.resume(ctx)
	}
	if u.location == nil {
		done, err := u.begin(ctx, sent)
		if done || err != nil {
			return err
		}
	}
	if err := u.stream(ctx, sent); err != nil {
		return err
	}
	digest, _, err := u.known()
	if err != nil {
		return err
	}
	if err := u.commit(ctx, digest); err != nil {
		if registry.UploadLost(err) {
			u.location = nil
		}
		return err
	}
	return nil
}

// known waits until the blob is whole.
func (u *upload) known() (string, int64, error) {
	if u.Digest == "" {
		digest, size, err := u.Finish()
		if err != nil {
			return "", 0, err
		}
		u.Digest, u.Size = digest, size
	}
	return u.Digest, u.Size, nil
}

// begin starts an upload, unless the registry has the blob or can link it from
// another repository.
func (u *upload) begin(ctx context.Context, sent *Transfer) (done bool, err error) {
	u.offset = 0
	query := url.Values{}
	if u.Digest != "" && !u.force {
		if has, err := u.pusher.hasBlob(ctx, u.Digest); has || err != nil {
			return has, err
		}
		if u.mounts < len(u.From) {
			query.Set("mount", u.Digest)
			query.Set("from", u.From[u.mounts].RepositoryStr())
			u.mounts++
		}
	}
	response, err := u.pusher.request(ctx, http.MethodPost, u.pusher.url("/blobs/uploads/", query), nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = response.Body.Close() }()
	if err := registry.Check(response, http.StatusAccepted, http.StatusCreated); err != nil {
		// Some registries refuse a mount rather than to ignore it.
		if query.Has("mount") && !registry.Temporary[response.StatusCode] {
			return u.begin(ctx, sent)
		}
		return false, err
	}
	if response.StatusCode == http.StatusCreated {
		sent.Mounted = true
		return true, nil
	}
	u.location, err = nextLocation(response)
	return false, err
}

// resume asks how much of a broken upload has arrived. A registry that does not
// say so gets it all again.
func (u *upload) resume(ctx context.Context) {
	response, err := u.pusher.request(ctx, http.MethodGet, u.location, nil)
	u.location = nil
	if err != nil {
		return
	}
	defer func() { _ = response.Body.Close() }()
	_, last, found := strings.Cut(response.Header.Get("Range"), "-")
	end, err := strconv.ParseInt(last, 10, 64)
	if response.StatusCode != http.StatusNoContent || !found || err != nil || end <= 0 {
		return
	}
	location, err := nextLocation(response)
	if err != nil {
		return
	}
	u.location, u.offset = location, end+1
}

// stream sends the bytes that are missing, in one request as Docker does: some
// registries do not take several.
func (u *upload) stream(ctx context.Context, sent *Transfer) error {
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	if u.offset > 0 {
		_, size, err := u.known()
		if err != nil || u.offset == size {
			return err
		}
		header.Set("Content-Range", fmt.Sprintf("%d-%d", u.offset, size-1))
	}
	var count atomic.Int64
	open := func() (io.ReadCloser, error) {
		body, err := u.Open(u.offset)
		if err != nil {
			return nil, err
		}
		return &countedBody{ReadCloser: body, sent: &count, all: u.pusher.session.Sent}, nil
	}
	body, err := open()
	if err != nil {
		return err
	}
	request := &upstream{header: header, body: body, size: -1, rewind: open}
	if u.Digest != "" {
		request.size = u.Size - u.offset
	}
	response, err := u.pusher.request(ctx, http.MethodPatch, u.location, request)
	sent.bytes += count.Load()
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if err := registry.Check(response, http.StatusAccepted, http.StatusNoContent, http.StatusCreated); err != nil {
		if !registry.Temporary[response.StatusCode] {
			u.location = nil
		}
		u.entire = u.entire || response.StatusCode == http.StatusRequestedRangeNotSatisfiable
		return err
	}
	next, err := nextLocation(response)
	if err != nil {
		return err
	}
	u.location = next
	return nil
}

func (u *upload) commit(ctx context.Context, digest string) error {
	target := *u.location
	query := target.Query()
	query.Set("digest", digest)
	target.RawQuery = query.Encode()
	response, err := u.pusher.request(ctx, http.MethodPut, &target, nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	return registry.Check(response, http.StatusCreated, http.StatusNoContent)
}

// nextLocation reads where an upload goes on. It keeps to the registry's own host,
// or to a public one over an encrypted connection, because layers go there.
func nextLocation(response *http.Response) (*url.URL, error) {
	text := response.Header.Get("Location")
	if text == "" {
		return nil, fmt.Errorf("reading the registry's answer: it has no Location")
	}
	relative, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading the registry's answer: %w", err)
	}
	next := response.Request.URL.ResolveReference(relative)
	if next.Host == response.Request.URL.Host {
		next.Scheme = response.Request.URL.Scheme // behind a proxy registries name the wrong one
		return next, nil
	}
	if address := net.ParseIP(next.Hostname()); next.Scheme != "https" || address != nil && !address.IsGlobalUnicast() || address != nil && address.IsPrivate() {
		return nil, fmt.Errorf("reading the registry's answer: it sends the upload to %q", next.Host)
	}
	return next, nil
}
