package build

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// blob is something to upload.
type blob struct {
	// digest and size are unknown ("", -1) while the blob is still being written;
	// finish waits for them.
	digest string
	size   int64
	finish func() (digest string, size int64, err error)
	// open gives the bytes from an offset on.
	open func(offset int64) (io.ReadCloser, error)
	// from names repositories that have it; those of the same registry can lend it.
	from []name.Repository
	// again says that the registry's word about having it is not to be trusted.
	again bool
}

// upload is one blob on its way. What the registry has got survives an attempt.
type upload struct {
	*blob
	pusher   *pusher
	location *url.URL // of the upload; nil before it has begun
	offset   int64    // bytes that the registry has
	mounts   int      // repositories that were tried
}

// try makes one attempt, which continues where the last one broke off.
func (u *upload) try(ctx context.Context, sent *transfer) error {
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
		if uploadLost(err) {
			u.location = nil
		}
		return err
	}
	return nil
}

// known waits until the blob is whole.
func (u *upload) known() (string, int64, error) {
	if u.digest == "" {
		digest, size, err := u.finish()
		if err != nil {
			return "", 0, err
		}
		u.digest, u.size = digest, size
	}
	return u.digest, u.size, nil
}

// begin starts an upload, unless the registry has the blob or can link it from
// another repository.
func (u *upload) begin(ctx context.Context, sent *transfer) (done bool, err error) {
	u.offset = 0
	query := url.Values{}
	if u.digest != "" && !u.again {
		if has, err := u.pusher.hasBlob(ctx, u.digest); has || err != nil {
			return has, err
		}
		if u.mounts < len(u.from) {
			query.Set("mount", u.digest)
			query.Set("from", u.from[u.mounts].RepositoryStr())
			u.mounts++
		}
	}
	response, err := u.pusher.do(ctx, http.MethodPost, u.pusher.url("/blobs/uploads/", query), nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = response.Body.Close() }()
	if err := check(response, http.StatusAccepted, http.StatusCreated); err != nil {
		// Some registries refuse a mount rather than to ignore it.
		if query.Has("mount") && !passing[response.StatusCode] {
			return u.begin(ctx, sent)
		}
		return false, err
	}
	if response.StatusCode == http.StatusCreated {
		sent.mounted = true
		return true, nil
	}
	u.location, err = nextLocation(response)
	return false, err
}

// resume asks how much of a broken upload has arrived. A registry that does not
// say so gets it all again.
func (u *upload) resume(ctx context.Context) {
	response, err := u.pusher.do(ctx, http.MethodGet, u.location, nil)
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
func (u *upload) stream(ctx context.Context, sent *transfer) error {
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	if u.offset > 0 {
		_, size, err := u.known()
		if err != nil || u.offset == size {
			return err
		}
		header.Set("Content-Range", fmt.Sprintf("%d-%d", u.offset, size-1))
	}
	body, err := u.open(u.offset)
	if err != nil {
		return err
	}
	counted := &countedBody{ReadCloser: body, all: u.pusher.session.sent}
	request := &upstream{header: header, body: counted, size: -1, again: func() (io.ReadCloser, error) { return u.open(u.offset) }}
	if u.digest != "" {
		request.size = u.size - u.offset
	}
	response, err := u.pusher.do(ctx, http.MethodPatch, u.location, request)
	sent.bytes += counted.n.Load()
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if err := check(response, http.StatusAccepted, http.StatusNoContent, http.StatusCreated); err != nil {
		if !passing[response.StatusCode] {
			u.location = nil
		}
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
	response, err := u.pusher.do(ctx, http.MethodPut, &target, nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	return check(response, http.StatusCreated, http.StatusNoContent)
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
