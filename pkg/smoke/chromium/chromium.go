// Package chromium opens pages in a Chromium, by its protocol. The browser gets no
// network: whoever opens a page answers what the page asks. Nothing of one visit is left
// for the next.
package chromium

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

const (
	// parallel bounds the browsers of one run: each takes a few hundred megabytes. As many
	// pods and Services are asked at a time, so that none waits for another's page.
	parallel = 4
	// startTime bounds the start of a browser; on a busy machine it takes seconds.
	startTime = 30 * time.Second
	// heap bounds what the scripts of a page hold, in MiB.
	heap = 512
)

// programs are names of Chromium and its relatives. That of Google comes before
// chromium-browser, which on Ubuntu only starts a snap.
var programs = []string{"chromium", "google-chrome", "google-chrome-stable", "chrome-headless-shell", "headless-shell", "chromium-browser", "microsoft-edge"}

// Browser is a program that opens pages, a few of them at a time.
type Browser struct {
	program string
	slots   chan struct{}
	log     *slog.Logger
	// exposed says that the program runs only without a sandbox of its own.
	exposed atomic.Bool
}

// Find looks for the program, which is one of the usual names where none is given. The
// error is one of the settings.
func Find(program string, log *slog.Logger) (*Browser, error) {
	names := programs
	if program != "" {
		names = []string{program}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return &Browser{program: path, slots: make(chan struct{}, parallel), log: log}, nil
		}
	}
	return nil, record.BadInput("smoke/no-browser", "checks with `browser` need a Chromium, and there is no program %s; install one, or name it with --smoke-browser",
		strings.Join(names, ", "))
}

// Program is the path of the browser's program.
func (b *Browser) Program() string { return b.program }

// Prove starts the browser once and lets it read CSS selectors, before anything depends
// on it. Where its own sandbox cannot be had, it runs without from then on.
func (b *Browser) Prove(ctx context.Context, selectors []string) error {
	err := b.prove(ctx, selectors)
	if err != nil && !b.exposed.Load() && strings.Contains(strings.ToLower(err.Error()), "sandbox") {
		b.log.Warn("the browser runs without its sandbox, which this system does not allow", "browser", b.program)
		b.exposed.Store(true)
		err = b.prove(ctx, selectors)
	}
	var bad badSelector
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &bad):
		return record.BadInput("config/smoke", "expect.browser.selector: %s", bad.Error())
	}
	return record.BadInput("smoke/no-browser", "checks with `browser` need a Chromium, and %s does not start: %w", b.program, err)
}

// badSelector is what the browser says of a selector that is none.
type badSelector string

func (b badSelector) Error() string { return string(b) }

func (b *Browser) prove(ctx context.Context, selectors []string) error {
	return b.with(ctx, func(ctx context.Context) error {
		for _, selector := range selectors {
			tab := chromedp.FromContext(ctx).Target
			got, err := cdp.Call(ctx, tab, runtime.Evaluate, runtime.EvaluateParams{Expression: "document.querySelector(" + strconv.Quote(selector) + ") && 1"})
			if err != nil {
				return err
			}
			if got.ExceptionDetails != nil {
				return badSelector(text.Cut(exception(got.ExceptionDetails), maxTrouble))
			}
		}
		return nil
	})
}

// with runs work in a tab of a browser of its own, which is gone afterwards.
func (b *Browser) with(ctx context.Context, work func(context.Context) error) error {
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-ctx.Done():
		return cutShort(ctx)
	}
	home, err := os.MkdirTemp("", "stagecrew-browser-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(home) }()
	bounded, end := context.WithCancelCause(ctx)
	defer end(nil)
	owner, stop := chromedp.NewExecAllocator(bounded, b.options(home)...)
	defer stop()
	quiet := func(string, ...any) {}
	tab, leave := chromedp.NewContext(owner, chromedp.WithLogf(quiet), chromedp.WithErrorf(quiet))
	defer leave()
	patience := time.AfterFunc(startTime, func() { end(fmt.Errorf("it was not there within %s", startTime)) })
	err = chromedp.Do(tab)
	patience.Stop()
	if err == nil {
		err = work(tab)
		if err == nil && !alive(tab) {
			err = errors.New("it ended by itself")
		}
	}
	switch cause := context.Cause(bounded); {
	case ctx.Err() != nil:
		return cutShort(ctx)
	case err == nil:
		return nil
	case cause != nil:
		err = cause
	}
	var of badSelector
	if errors.As(err, &of) || record.KindOf(err) != record.KindUnknown {
		return err
	}
	return errors.New(text.Cut(strings.Join(strings.Fields(err.Error()), " "), maxTrouble))
}

// alive reports whether the browser still answers: that it has ended is known of its
// calls before it is of its process.
func alive(tab context.Context) bool {
	ctx, cancel := context.WithTimeout(tab, hanging)
	defer cancel()
	_, err := cdp.Call(ctx, chromedp.FromContext(tab).Browser, browser.GetVersion, cdp.Empty{})
	return err == nil
}

// cutShort is the error of a visit that its context has ended: it says nothing about the
// page.
func cutShort(ctx context.Context) error {
	return record.Unavailable("smoke/browser-lost", "the browser was not there long enough to see the page: %w", ctx.Err())
}

// options are how the program is started. It gets no environment of ours, and none of
// its own services and caches.
func (b *Browser) options(home string) []chromedp.ExecAllocatorOption {
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(b.program), chromedp.NoInheritEnv,
		chromedp.Env("HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "TMPDIR="+os.TempDir(), "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
		chromedp.DisableGPU, chromedp.WindowSize(width, height),
		// No name and no address leads anywhere, nor does a proxy.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("webrtc-ip-handling-policy", "disable_non_proxied_udp"),
		// One process for a page and its frames, whose requests all come to us, with the
		// scheme that they have.
		chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,IsolateOrigins,site-per-process,MediaRouter,OptimizationHints,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable"),
		chromedp.Flag("disable-site-isolation-trials", true), chromedp.Flag("renderer-process-limit", "1"),
		chromedp.Flag("js-flags", fmt.Sprintf("--max-old-space-size=%d", heap)),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-crash-reporter", true), chromedp.Flag("lang", "en-US"),
	)
	if b.exposed.Load() {
		options = append(options, chromedp.NoSandbox)
	}
	return options
}
