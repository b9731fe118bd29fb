package smoke

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// maxAssets bounds how many assets of a page are fetched.
const maxAssets = 100

// Scripts and style sheets as a bundler writes them. A page is not a program to
// be understood here: what has no quotes is not found, and then the page has no
// assets, which is a failure.
var (
	scriptTag = regexp.MustCompile(`(?is)<script\b[^>]*?\bsrc\s*=\s*["']([^"']+)["']`)
	linkTag   = regexp.MustCompile(`(?is)<link\b[^>]*>`)
	linkHref  = regexp.MustCompile(`(?is)\bhref\s*=\s*["']([^"']+)["']`)
	styleRel  = regexp.MustCompile(`(?is)\brel\s*=\s*["']?stylesheet\b`)
)

// asset is one file that a page needs.
type asset struct {
	path string // with query, on the page's own host
	kind string // part of its content type
}

// assets fetches what the page needs; each must be there, of the right type and
// not empty. Assets of other hosts are left out: they are not of this release.
func (r runner) assets(ctx context.Context, page string, body []byte) error {
	all, err := find(page, string(body))
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("the page has no scripts or style sheets")
	}
	for _, a := range all {
		response, content, err := r.fetch(ctx, Check{Method: http.MethodGet, Path: a.path})
		switch {
		case err != nil:
			return fmt.Errorf("asset %s: %w", a.path, err)
		case response.StatusCode != http.StatusOK:
			return fmt.Errorf("asset %s: status %d, should be 200", a.path, response.StatusCode)
		case !strings.Contains(response.Header.Get("Content-Type"), a.kind):
			return fmt.Errorf("asset %s: content type %q, should be of %s", a.path, response.Header.Get("Content-Type"), a.kind)
		case len(content) == 0:
			return fmt.Errorf("asset %s: it is empty", a.path)
		}
	}
	return nil
}

func find(page, body string) ([]asset, error) {
	base, err := url.Parse(page)
	if err != nil {
		return nil, err
	}
	var all []asset
	add := func(reference, kind string) {
		u, err := base.Parse(html.UnescapeString(reference))
		if err != nil || u.Host != "" || u.Scheme != "" || len(all) == maxAssets {
			return
		}
		all = append(all, asset{u.RequestURI(), kind})
	}
	for _, m := range scriptTag.FindAllStringSubmatch(body, -1) {
		add(m[1], "javascript")
	}
	for _, tag := range linkTag.FindAllString(body, -1) {
		if m := linkHref.FindStringSubmatch(tag); m != nil && styleRel.MatchString(tag) {
			add(m[1], "css")
		}
	}
	return all, nil
}
