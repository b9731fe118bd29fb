package chromium

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
)

// The measures of the window, and so of its picture.
const width, height = 1280, 900

const (
	// look is how often a page is looked at.
	look = 100 * time.Millisecond
	// settled is how long a page that shows what it must stays quiet before it is
	// believed: errors come a moment later.
	settled = 500 * time.Millisecond
	// hopeless is how long a page with errors, or with nothing on it, stays quiet before
	// it is given up: production waits for the rollback.
	hopeless = 3 * time.Second
	// pictureTime bounds the taking of a picture: a page whose script runs without end
	// gives none.
	pictureTime = 3 * time.Second
)

// Visit is one page to open.
type Visit struct {
	Address string
	expect.Browser
	// Answer answers what the page asks. An error means that nothing came back.
	Answer func(context.Context, Request) (Answer, error)
}

// Request is what a page asks for.
type Request struct {
	Method, Address string
	Header          http.Header
	Body            []byte
	// Kind is what it is for, in the protocol's words: Document, Script, Stylesheet, XHR.
	Kind string
	// Page says that it is for the page itself, and not for a part of it.
	Page bool
}

// Answer is what a page gets.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Trouble says what is wrong with it, "" for nothing.
	Trouble string
	// Ended is for one that ends the visit, and why.
	Ended string
}

var (
	//go:embed console.js
	consoleScript string
	//go:embed look.js
	lookScript string
)

// Open opens a page and looks at it until it shows what it must, or there is no more to
// hope for. The picture is a PNG, nil where there is none. An error says nothing about
// the page.
func (b *Browser) Open(ctx context.Context, v Visit) (seen expect.Page, picture []byte, err error) {
	err = b.with(ctx, func(tab context.Context) error {
		w := &watch{visit: v, active: time.Now()}
		if err := w.prepare(tab); err != nil {
			return err
		}
		w.open(tab)
		picture = w.picture(tab)
		seen, err = w.seen()
		return err
	})
	if err != nil && record.KindOf(err) == record.KindUnknown {
		err = record.Unavailable("smoke/browser-lost", "the browser did not open the page: %w", err)
	}
	return seen, picture, err
}

// prepare has all that the page does come to us.
func (w *watch) prepare(ctx context.Context) error {
	if err := chromedp.Listen(ctx, w.handle(ctx)); err != nil {
		return err
	}
	t := chromedp.FromContext(ctx).Target
	w.frame = cdp.FrameID(t.TargetID)
	steps := []func() error{
		func() error { _, err := cdp.Call(ctx, t, fetch.Enable, fetch.EnableParams{}); return err },
		func() error {
			_, err := cdp.Call(ctx, t, network.SetBypassServiceWorker, network.SetBypassServiceWorkerParams{Bypass: true})
			return err
		},
		func() error {
			_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: consoleScript})
			return err
		},
		func() error {
			_, err := cdp.Call(ctx, chromedp.FromContext(ctx).Browser, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorDeny})
			return err
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// open leads the browser to the page and looks at it. ctx is of the tab.
func (w *watch) open(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.visit.Within)
	defer cancel()
	t := chromedp.FromContext(ctx).Target
	// It comes back when the page's answer begins.
	got, err := cdp.Call(ctx, t, page.Navigate, page.NavigateParams{URL: w.visit.Address})
	switch {
	case err != nil:
		w.end("the page did not begin to load")
	case got.IsDownload:
		w.end("the answer is a download, and no page")
	case got.ErrorText != "":
		w.end("the browser does not show the page: " + got.ErrorText)
	}
	for !w.done() {
		now, err := eyes(ctx, t, w.visit.Browser)
		switch {
		case err == nil:
			w.saw(now)
		case errors.Is(err, errHanging):
			w.end(err.Error())
		}
		if retry.Sleep(ctx, look) != nil {
			return
		}
	}
}

// view is what look.js tells.
type view struct {
	Complete, Found, Said, Blank bool
	Title, Words                 string
}

var errHanging = fmt.Errorf("the page has not answered for %s: one of its scripts runs without end", hanging)

// eyes looks at the page as it is now. An error is that of a page which is being
// exchanged or whose scripts keep it busy.
func eyes(ctx context.Context, t *chromedp.Target, b expect.Browser) (view, error) {
	wanted, err := json.Marshal(map[string]string{"selector": b.Selector, "text": b.Text})
	if err != nil {
		return view{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, hanging, errHanging)
	defer cancel()
	got, err := cdp.Call(ctx, t, runtime.Evaluate, runtime.EvaluateParams{Expression: "(" + lookScript + ")(" + string(wanted) + ")"})
	if err != nil {
		return view{}, cmp.Or(context.Cause(ctx), err)
	}
	var seen view
	var document string
	if err := json.Unmarshal(got.Result.Value, &document); err != nil {
		return view{}, err
	}
	return seen, json.Unmarshal([]byte(document), &seen)
}

// picture shows the page as it is now.
func (w *watch) picture(ctx context.Context) []byte {
	ctx, cancel := context.WithTimeout(ctx, pictureTime)
	defer cancel()
	got, err := cdp.Call(ctx, chromedp.FromContext(ctx).Target, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	if err != nil {
		return nil
	}
	return got.Data
}
