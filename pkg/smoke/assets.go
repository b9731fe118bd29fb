package smoke

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxAssets = 200      // files of one page
	maxAsset  = 32 << 20 // bytes of one file
)

// assets fetches what the page needs; each must be there, of the right type,
// whole and not empty. Assets of other hosts are left out: they are not of this release.
func (r runner) assets(ctx context.Context, c Check, page *url.URL, body []byte) error {
	base, all := references(string(body))
	root := page
	if u, err := page.Parse(base); base != "" && err == nil {
		root = u
	}
	own := 0
	for _, a := range all {
		u, err := root.Parse(a.address)
		if err != nil || u.Scheme != page.Scheme || u.Host != page.Host {
			continue
		}
		if own++; own > maxAssets {
			return fmt.Errorf("the page has more than %d scripts and style sheets", maxAssets)
		}
		if err := r.asset(ctx, c, u, a); err != nil {
			return fmt.Errorf("asset %s: %w", u.RequestURI(), err)
		}
	}
	if own == 0 {
		return errors.New("the page has no scripts or style sheets of its own")
	}
	return nil
}

func (r runner) asset(ctx context.Context, c Check, u *url.URL, a reference) error {
	response, err := r.fetch(ctx, Check{Method: http.MethodGet, Headers: c.Headers}, u.String())
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	// Read to the end: half a script is as bad as none.
	size, err := io.Copy(io.Discard, io.LimitReader(response.Body, maxAsset))
	kind := response.Header.Get("Content-Type")
	switch {
	case response.StatusCode == http.StatusTooManyRequests:
		return errTooMany
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d, should be 200", response.StatusCode)
	case !strings.Contains(kind, a.kind):
		return fmt.Errorf("content type %q, should be of %s", kind, a.kind)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it breaks off after %d bytes", size)
	case err != nil:
		return noAnswer{err}
	case size == 0:
		return errors.New("it is empty")
	}
	return nil
}
