package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxPages bounds the pages of one list of referrers.
const maxPages = 200

// nextPage is the target of a Link header (RFC 8288) that leads to the next page.
var nextPage = regexp.MustCompile(`<([^>]*)>\s*;[^,]*\brel\s*=\s*"?next"?`)

// forReferrers reports whether a request asks what refers to a manifest.
func forReferrers(request *http.Request) bool {
	return request.Method == http.MethodGet && strings.Contains(request.URL.Path, "/referrers/")
}

// hasNoList reports whether an answer means that a registry does not list what refers to a
// manifest, in another way than by 404: by 405, by a page for people
// (sigstore/sigstore-js#1187), or by sending to another host, as GitHub's does to its web
// site, which limits how often one may ask (artifacthub/hub#4785).
func hasNoList(request *http.Request, response *http.Response) bool {
	first, _ := origin(request)
	if !forReferrers(first) {
		return false
	}
	sent := !strings.EqualFold(first.URL.Host, request.URL.Host)
	refused := response.StatusCode >= http.StatusBadRequest && response.StatusCode < http.StatusInternalServerError
	return response.StatusCode == http.StatusMethodNotAllowed || sent && refused || isWebPage(request, response)
}

// allPages gives one answer with the referrers of all pages. The libraries ask for the
// first page only (google/go-containerregistry#2446), and a signature behind it would
// be none. A page that is refused is the answer, so that whoever logs in does so again.
func (t *Transport) allPages(request *http.Request, first *http.Response) (*http.Response, error) {
	var index map[string]json.RawMessage
	var all []json.RawMessage
	response := first
	for pages, length := 1, int64(0); ; pages++ {
		page, manifests, err := readPage(response)
		if err != nil {
			return nil, err
		}
		if index == nil {
			index = page
		}
		all = append(all, manifests...)
		for _, m := range manifests {
			length += int64(len(m))
		}
		next, err := pageAfter(request, response)
		switch {
		case err != nil:
			return nil, err
		case next == nil:
			return onePage(first, index, all)
		case pages == maxPages || length > t.options.MaxAnswer:
			return nil, final{fmt.Errorf("the registry's list of what is attached has more than %d pages or %d bytes", maxPages, t.options.MaxAnswer)}
		}
		response, err = t.one(next)
		if err != nil {
			return nil, err
		}
		if response.StatusCode != http.StatusOK {
			return laterPage(response)
		}
	}
}

// laterPage keeps a page that is not there from being taken for a registry without
// lists of referrers.
func laterPage(response *http.Response) (*http.Response, error) {
	switch response.StatusCode {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusNotAcceptable:
		_ = response.Body.Close()
		return nil, fmt.Errorf("the registry answers %s for a page of its list of what is attached", response.Status)
	}
	return response, nil
}

// readPage gives the fields of an index, and its manifests as they are.
func readPage(response *http.Response) (page map[string]json.RawMessage, manifests []json.RawMessage, err error) {
	body, err := io.ReadAll(response.Body)
	err = errors.Join(err, response.Body.Close())
	if err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, nil, fmt.Errorf("reading the registry's list of what is attached: %w", err)
	}
	if listed, have := page["manifests"]; have {
		if err := json.Unmarshal(listed, &manifests); err != nil {
			return nil, nil, fmt.Errorf("reading the registry's list of what is attached: %w", err)
		}
	}
	return page, manifests, nil
}

// pageAfter is the request for the next page, nil after the last one. It goes to the
// same host in the same way, whatever the link says: the credentials go along.
func pageAfter(request *http.Request, response *http.Response) (*http.Request, error) {
	link := nextPage.FindStringSubmatch(strings.Join(response.Header.Values("Link"), ", "))
	if link == nil {
		return nil, nil
	}
	address, err := url.Parse(link[1])
	if err != nil {
		return nil, final{fmt.Errorf("the registry's link to the next page of what is attached: %w", err)}
	}
	target := request.URL.ResolveReference(address)
	if !strings.EqualFold(target.Host, request.URL.Host) {
		return nil, final{fmt.Errorf("the registry %s gives the next page of what is attached at another host, %s", request.URL.Host, target.Host)}
	}
	target.Scheme = request.URL.Scheme
	next := request.Clone(request.Context())
	next.URL = target
	return next, nil
}

// onePage is the first answer with all manifests.
func onePage(first *http.Response, index map[string]json.RawMessage, all []json.RawMessage) (*http.Response, error) {
	listed, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	index["manifests"] = listed
	body, err := json.Marshal(index)
	if err != nil {
		return nil, err
	}
	first.Header.Del("Link")
	first.Header.Set("Content-Length", strconv.Itoa(len(body)))
	first.ContentLength = int64(len(body))
	first.Body = io.NopCloser(bytes.NewReader(body))
	return first, nil
}

// inPages reports whether an answer is a page of a list of referrers, with more to come.
func inPages(request *http.Request, response *http.Response) bool {
	return forReferrers(request) && response.StatusCode == http.StatusOK && len(response.Header.Values("Link")) > 0 &&
		response.Header.Get("Content-Type") == string(types.OCIImageIndex)
}
