package chromium

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
	"github.com/stagecrew/stagecrew/pkg/text"
)

const (
	maxTroubles = 50
	maxTrouble  = 500  // of one, in bytes
	maxRequests = 2000 // of one visit
	// hanging is how long a script may keep everybody out: on a busy machine the first one
	// of a large page does for seconds.
	hanging = 10 * time.Second
)

// watch is what is noted during a visit.
type watch struct {
	visit Visit
	frame cdp.FrameID // of the page itself

	mu       sync.Mutex
	now      view
	page     expect.Page
	active   time.Time // when something last happened
	flying   int       // requests that are not answered yet
	requests int
	counts   bool  // one of the troubles does
	broke    error // a bug of ours
}

// handle notes the events of the tab. What takes time runs beside it.
func (w *watch) handle(ctx context.Context) func(any) {
	note := func(event any) {
		switch e := event.(type) {
		case *fetch.EventRequestPaused:
			w.beside(func() error { return w.answer(ctx, e) })
		case *page.EventJavascriptDialogOpening:
			w.trouble(ctx, "dialog: "+e.Message)
			w.beside(func() error {
				_, err := cdp.Call(ctx, chromedp.FromContext(ctx).Target, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
				return err
			})
		case *runtime.EventExceptionThrown:
			w.trouble(ctx, "uncaught "+exception(e.ExceptionDetails))
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError {
				w.trouble(ctx, "console: "+consoleText(e.Args))
			}
		case *log.EventEntryAdded:
			// What the network did is seen where it is answered.
			if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
				w.trouble(ctx, "console: "+e.Entry.Text)
			}
		case *inspector.EventTargetCrashed:
			w.end("the page made the browser's tab crash, for example with too much memory")
		}
	}
	return func(event any) { w.survived(record.Guard(func() error { note(event); return nil })) }
}

// survived notes a panic: it is a bug of ours, and then nothing is said about the page.
// Other errors are of a browser that is about to end.
func (w *watch) survived(err error) {
	var panicked *record.Panicked
	if errors.As(err, &panicked) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.broke = err
	}
}

// beside runs work that the page waits for.
func (w *watch) beside(work func() error) {
	w.count(1)
	go func() {
		defer w.count(-1)
		w.survived(record.Guard(work))
	}()
}

func (w *watch) count(change int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying, w.active = w.flying+change, time.Now()
}

// answer asks whoever opened the page.
func (w *watch) answer(ctx context.Context, e *fetch.EventRequestPaused) error {
	t := chromedp.FromContext(ctx).Target
	fail := func(reason network.ErrorReason) error {
		_, err := cdp.Call(ctx, t, fetch.FailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: reason})
		return err
	}
	if w.tooMany() {
		return fail(network.ErrorReasonBlockedByClient)
	}
	a, err := w.visit.Answer(ctx, w.request(e))
	w.trouble(ctx, a.Trouble)
	w.end(a.Ended)
	if err != nil {
		return fail(network.ErrorReasonFailed)
	}
	fulfil := fetch.FulfillRequestParams{RequestID: e.RequestID, ResponseCode: int64(a.Status), Body: a.Body}
	for name, values := range a.Header {
		for _, value := range values {
			fulfil.ResponseHeaders = append(fulfil.ResponseHeaders, &fetch.HeaderEntry{Name: name, Value: value})
		}
	}
	_, err = cdp.Call(ctx, t, fetch.FulfillRequest, fulfil)
	return err
}

// tooMany ends a visit to a page that does not stop asking.
func (w *watch) tooMany() bool {
	w.mu.Lock()
	w.requests++
	over := w.requests > maxRequests
	w.mu.Unlock()
	if over {
		w.end(fmt.Sprintf("the page asks for more than %d files", maxRequests))
	}
	return over
}

func (w *watch) request(e *fetch.EventRequestPaused) Request {
	r := Request{
		Method: e.Request.Method, Address: e.Request.URL, Header: http.Header{}, Kind: string(e.ResourceType),
		Page: e.FrameID == w.frame && e.ResourceType == network.ResourceTypeDocument,
	}
	for name, value := range e.Request.Headers {
		r.Header.Set(name, fmt.Sprint(value))
	}
	for _, part := range e.Request.PostDataEntries {
		r.Body = append(r.Body, part.Bytes...)
	}
	return r
}

// trouble notes an error of the page, "" is none.
func (w *watch) trouble(ctx context.Context, said string) {
	if said == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active = time.Now()
	if len(w.page.Troubles) < maxTroubles {
		said = text.Cut(said, maxTrouble)
		w.page.Troubles = append(w.page.Troubles, said)
		w.counts = w.counts || w.visit.Counts(context.WithoutCancel(ctx), said)
	}
}

// end notes why there is nothing more to see; the first reason counts, "" is none.
func (w *watch) end(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.page.Ended == "" {
		w.page.Ended = why
	}
}

// saw notes how the page looks now.
func (w *watch) saw(now view) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = now
	w.page.Title, w.page.Words = now.Title, now.Words
	w.page.Found, w.page.Said, w.page.Blank = now.Found, now.Said, now.Blank
}

// done reports whether there is no more to wait for.
func (w *watch) done() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	quiet := time.Since(w.active)
	switch {
	case w.page.Ended != "" || w.broke != nil:
		return true
	case quiet >= hopeless: // what is still asked for is a connection that stays
		return w.now.Complete && (w.page.Shows() || w.counts || w.page.Blank && w.flying == 0)
	case quiet >= settled:
		return w.now.Complete && w.page.Shows() && w.flying == 0
	}
	return false
}

// seen is the outcome. Nothing that still happens changes it.
func (w *watch) seen() (expect.Page, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.page
	seen.Troubles = slices.Clone(w.page.Troubles)
	return seen, w.broke
}

// exception says in a line what was thrown, and where.
func exception(e *runtime.ExceptionDetails) string {
	said := e.Text
	if e.Exception != nil {
		said, _, _ = strings.Cut(consoleText([]*runtime.RemoteObject{e.Exception}), "\n")
	}
	if u, err := url.Parse(e.URL); err == nil && u.Path != "" {
		said += " in " + u.Path
	}
	return said
}

// consoleText gives the arguments of a call as the console shows them.
func consoleText(args []*runtime.RemoteObject) string {
	var all []string
	for _, a := range args {
		var said string
		switch {
		case json.Unmarshal(a.Value, &said) == nil:
		case a.Description != "":
			said, _, _ = strings.Cut(a.Description, "\n")
		default:
			said = string(a.Value)
		}
		all = append(all, said)
	}
	return strings.Join(all, " ")
}
