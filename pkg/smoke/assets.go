package smoke

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/smoke/browser"
)

const (
	maxAssets = 200 // files of one page
	// maxReferences bounds what is read of a page with those of other hosts.
	maxReferences = 10 * maxAssets
)

// assets fetches what the page needs, one after the other; each must be there, of
// the right type, whole and not empty. Assets of other hosts are left out: they
// are not of this release.
func (s session) assets(ctx context.Context, page fetched) error {
	base, all, err := browser.References(ctx, page.Body, page.Header.Get("Content-Type"), maxReferences)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	root := page.url
	if u, err := page.url.Parse(base); base != "" && err == nil {
		root = u
	}
	own := 0
	for _, a := range all {
		u, err := root.Parse(a.Address)
		if err != nil || u.Scheme != page.url.Scheme || host(u) != host(page.url) {
			continue
		}
		if own++; own > maxAssets {
			return fmt.Errorf("the page has more than %d scripts and style sheets", maxAssets)
		}
		if err := s.asset(ctx, u, a.Kind); err != nil {
			return fmt.Errorf("asset %s: %w", u.RequestURI(), err)
		}
	}
	if own == 0 {
		return errors.New("the page has no scripts or style sheets of its own")
	}
	return nil
}

func (s session) asset(ctx context.Context, u *url.URL, kind string) error {
	// Read to the end: half a script is as bad as none.
	a, err := s.fetch(ctx, http.MethodGet, u.String(), "", maxAsset, false)
	if err != nil {
		return err
	}
	got := a.Header.Get("Content-Type")
	switch {
	case a.Status == http.StatusTooManyRequests:
		return tooMany(a.Header)
	case a.Status != http.StatusOK:
		return fmt.Errorf("status %d, should be 200", a.Status)
	case !strings.Contains(strings.ToLower(got), kind):
		return fmt.Errorf("content type \"%s\", should be of %s", got, kind)
	case a.Broken != nil:
		return a.Broken
	case a.size == 0:
		return errors.New("it is empty")
	}
	return nil
}
