package smoke

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/chromium"
	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
)

// visit answers what a page asks in the browser: with what the target answers to it,
// sent in the way of all checks.
type visit struct {
	session
	asked expect.Browser
	as    *url.URL // the page's root for its visitors
	to    *url.URL // the same root here

	mu        sync.Mutex
	elsewhere []string
	way       error // that says nothing about the application
}

// visitors is where the page's visitors are: where the check says, else at the public
// URL, else at the target itself. Encryption ends in front of pods.
func (t Target) visitors(b expect.Browser) string {
	if as := cmp.Or(b.As, t.As); as != "" || t.Kind == record.TargetPublic {
		return cmp.Or(as, t.BaseURL)
	}
	return "https" + strings.TrimPrefix(strings.TrimPrefix(t.BaseURL, "https"), "http")
}

// show opens the page of a check in the browser and gives what was seen, with a picture
// of it.
func (r runner) show(ctx context.Context, s session, b expect.Browser, picture *[]byte) (expect.Page, error) {
	if r.target.Browser == nil {
		return expect.Page{}, record.BadInput("smoke/no-browser", "there is no browser to open the page")
	}
	as, err := url.Parse(strings.TrimSuffix(r.target.visitors(b), "/"))
	if err != nil {
		return expect.Page{}, err
	}
	to, err := url.Parse(strings.TrimSuffix(r.target.BaseURL, "/"))
	if err != nil {
		return expect.Page{}, err
	}
	v := &visit{session: s, asked: b, as: as, to: to}
	direct := *s.client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the browser follows
	v.client = &direct
	page, shot, err := r.target.Browser.Open(ctx, chromium.Visit{Address: as.String() + s.check.Path, Browser: b, Answer: v.answer})
	if shot != nil {
		*picture = shot
	}
	page.Elsewhere = v.elsewhere
	return page, cmp.Or(v.way, err)
}

// answer answers one request of the page.
func (v *visit) answer(ctx context.Context, r chromium.Request) (chromium.Answer, error) {
	u, err := url.Parse(r.Address)
	if err != nil {
		return chromium.Answer{}, err
	}
	to, own := v.here(u)
	switch {
	case own && r.Kind == "EventSource": // it would never end, and asks again after anything else
		return chromium.Answer{Status: http.StatusNoContent}, nil
	case own && u.Scheme != v.as.Scheme && host(v.to) != host(v.as):
		// The target stands for the page's address, and not for the other scheme of it.
		return chromium.Answer{Trouble: v.otherScheme(r, u)}, errors.New("not asked")
	case own || slices.Contains(v.asked.Hosts, u.Host):
	case r.Page:
		return chromium.Answer{Ended: fmt.Sprintf("the page leads to another host, %s", u.Host)}, errors.New("not followed")
	default:
		v.mu.Lock()
		defer v.mu.Unlock()
		if !slices.Contains(v.elsewhere, u.Host) && len(v.elsewhere) < 10 {
			v.elsewhere = append(v.elsewhere, u.Host)
		}
		return chromium.Answer{}, errors.New("not asked")
	}
	a, err := v.pass(ctx, r, to, own)
	if err != nil && ctx.Err() == nil && v.noWay(err) {
		return chromium.Answer{}, err
	}
	answer := chromium.Answer{Status: a.Status, Header: a.Header, Body: a.Body}
	if own {
		answer.Trouble, answer.Ended = v.judge(r, u, a, err)
	}
	if r.Kind == "Other" { // an icon, say
		answer.Trouble = ""
	}
	return answer, cmp.Or(err, a.Broken)
}

// here is where a request of the page is sent, and whether it is for the target.
func (v *visit) here(u *url.URL) (to string, own bool) {
	if u.Scheme != v.as.Scheme || host(u) != host(v.as) {
		return u.String(), strings.EqualFold(u.Hostname(), v.as.Hostname()) && u.Port() == v.as.Port()
	}
	here := *u
	here.Scheme, here.Host, here.Fragment = v.to.Scheme, v.to.Host, ""
	rest, below := strings.CutPrefix(u.EscapedPath(), v.as.EscapedPath())
	if below && (rest == "" || strings.HasPrefix(rest, "/")) {
		return strings.TrimSuffix(fmt.Sprintf("%s%s?%s", v.to, rest, u.RawQuery), "?"), true
	}
	return here.String(), true
}

// otherScheme is the trouble of a request that a policy of the page has made one over TLS,
// or that names a scheme itself.
func (v *visit) otherScheme(r chromium.Request, u *url.URL) string {
	if r.Kind == "Other" {
		return ""
	}
	return fmt.Sprintf("%s %s: asked over %s, and the page is at %s", strings.ToLower(r.Kind), u.EscapedPath(), u.Scheme, v.as.Scheme)
}

// pass sends what the page asks. The check's headers are for the target alone, and what
// the page says itself comes first.
func (v *visit) pass(ctx context.Context, r chromium.Request, to string, own bool) (fetched, error) {
	request, err := http.NewRequest(r.Method, to, bytes.NewReader(r.Body)) //nolint:noctx // answered sets it
	if err != nil {
		return fetched{}, err
	}
	if own {
		v.dress(request)
	}
	for name, values := range r.Header {
		request.Header[name] = values
	}
	request.Header.Set("Accept-Encoding", "gzip")
	a, err := v.answered(ctx, request, maxAsset, true)
	for _, name := range []string{"Content-Encoding", "Content-Length", "Transfer-Encoding", "Connection"} {
		a.Header.Del(name) // of what came here, and not of what is passed on
	}
	return a, err
}

// noWay reports whether an error says nothing about the application, and keeps it.
func (v *visit) noWay(err error) bool {
	if record.KindOf(err) == record.KindUnknown {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.way = cmp.Or(v.way, err)
	return true
}

// needed are kinds of files without which no page works; a page may do without a picture
// and expect that it is not signed in.
var needed = []string{"Document", "Script", "Stylesheet"}

// judge says what is wrong with an answer, and whether it ends the visit.
func (v *visit) judge(r chromium.Request, u *url.URL, a fetched, err error) (trouble, ended string) {
	what := strings.ToLower(r.Kind) + " " + u.EscapedPath()
	kind := strings.ToLower(a.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return what + ": " + err.Error(), ""
	case a.Status == http.StatusTooManyRequests:
		v.mu.Lock()
		defer v.mu.Unlock()
		v.way = cmp.Or[error](v.way, tooMany(a.Header))
	case a.Broken != nil:
		return what + ": " + a.Broken.Error(), ""
	case a.Over:
		return fmt.Sprintf("%s: more than %d MiB", what, maxAsset>>20), ""
	case a.Status >= http.StatusInternalServerError, a.Status >= http.StatusBadRequest && slices.Contains(needed, r.Kind):
		return fmt.Sprintf("%s: status %d", what, a.Status), ""
	case r.Kind == "Script" && a.Status == http.StatusOK && strings.Contains(kind, "html"):
		return what + ": it is a page, and no script", ""
	case r.Page && strings.HasPrefix(strings.ToLower(a.Header.Get("Content-Disposition")), "attachment"):
		return "", "the answer is a download, and no page"
	}
	return "", ""
}
