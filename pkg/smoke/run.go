// Package smoke sends HTTP requests that prove something: each check says what
// the answer must look like, not only that there is one. Answers are untrusted:
// they are read up to a limit, and what of them reaches a result is short, on one
// line, and free of credentials. What a check says is read and judged in the rooms
// below, which send nothing.
package smoke

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
	"github.com/stagecrew/stagecrew/pkg/smoke/chromium"
	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
	"github.com/stagecrew/stagecrew/pkg/smoke/shown"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// parallel is how many checks are on their way to one target at a time.
const parallel = 4

// Target is where a suite is sent.
type Target struct {
	Name string // "Pod/x", "Service/y", or the URL
	// Kind is what it is. No answer at all from a [record.TargetPublic], which may be
	// behind a firewall, is inconclusive; a certificate that does not hold is an answer.
	Kind    record.TargetKind
	BaseURL string // scheme and host, and what stands before each check's path
	// Transport is the way there. Without one it is net/http's usual way, with
	// connections of its own for each attempt. An error of it that is a
	// [record.Error] says nothing about the application.
	Transport http.RoundTripper
	// Browser opens pages for the checks that want one; may be nil.
	Browser *chromium.Browser
	// As is the URL at which visitors see what is at BaseURL, where it is known.
	As string
	// Picture keeps a PNG of what a check has seen and says where; may be nil.
	Picture func(check string, png []byte) (path string)
	// Told gets each result as soon as it is known, from several goroutines; may be nil.
	Told func(record.Check)
	// Hide takes out of a text about an answer what must not be shown; may be nil.
	Hide func(string) string
}

// Run sends every check to the target and gives the results in the suite's order.
// Each is asked until it has passed Consecutive times in a row, or until Attempts
// or Budget are used up. A check is inconclusive, and not failed, when what it saw
// says nothing about the application: the transport's error is a [record.Error]
// (one of [record.KindUnavailable] is tried again until Budget is over and uses
// up no attempt, as does an answer 429, whose Retry-After is kept), a public URL
// never answered, a ${NAME} was never filled in, the row of passes was
// not long enough when Budget was over, or ctx cut it short, see [Enough]. Several
// Runs may go on at once.
func Run(ctx context.Context, s checks.Suite, target Target, log *slog.Logger) []record.Check {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s.Skipped(func(line string) { log.Warn(line) })
	r := runner{suite: s.WithDefaults(), target: target, log: log.With("target", target.Name)}
	results := make([]record.Check, len(r.suite.Checks))
	slots := make(chan struct{}, parallel)
	var all sync.WaitGroup
	for i, c := range r.suite.Checks {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := record.Guard(func() error { results[i] = r.check(ctx, c); return nil }); err != nil {
				results[i] = r.broke(c, err)
			}
			if target.Told != nil {
				target.Told(results[i])
			}
		})
	}
	all.Wait()
	for _, result := range results {
		line := log.With("seconds", fmt.Sprintf("%.2f", result.Seconds))
		if result.Detail != "" {
			line = line.With("detail", result.Detail)
		}
		line.Info(fmt.Sprintf("smoke %s on %s: %s", result.Name, result.Target, result.Result))
	}
	return results
}

type runner struct {
	suite  checks.Suite
	target Target
	log    *slog.Logger
}

// check asks until the verdict about one check is clear.
func (r runner) check(parent context.Context, c checks.Check) record.Check {
	start := time.Now()
	ctx, cancel := context.WithTimeout(parent, r.suite.Budget)
	defer cancel()
	s := r.ask(ctx, c)
	found := s.verdict(r.suite)
	if found.result != record.CheckPassed && parent.Err() != nil {
		found = finding{result: record.CheckInconclusive, why: short(parent, found.why)}
	}
	return record.Check{
		Name: c.Name, Target: r.target.Name, Kind: r.target.Kind, Result: found.result, Unreachable: found.unreachable,
		Seconds: time.Since(start).Seconds(), Detail: c.Safe(r.target.hide(found.why)),
		Picture: r.target.keep(c.Name, s.picture),
	}
}

func (t Target) keep(check string, png []byte) string {
	if t.Picture == nil || png == nil {
		return ""
	}
	return t.Picture(check, png)
}

func (t Target) hide(text string) string {
	if t.Hide == nil {
		return text
	}
	return t.Hide(text)
}

// broke is the result of a check during which this program panicked: it says
// nothing about the application.
func (r runner) broke(c checks.Check, err error) record.Check {
	why := record.Unavailable("smoke/panicked", "%s", text.Cut(err.Error(), shown.MaxDetail/2)).Error()
	return record.Check{Name: c.Name, Target: r.target.Name, Kind: r.target.Kind, Result: record.CheckInconclusive, Detail: why}
}

// once sends one request and looks at its answer; picture is what a browser saw last.
func (r runner) once(ctx context.Context, c checks.Check, picture *[]byte) error {
	if missing := c.Unfilled(); len(missing) > 0 {
		return notFilled(missing)
	}
	s := r.open(c)
	defer s.close()
	a, err := s.fetch(ctx, c.Method, strings.TrimSuffix(r.target.BaseURL, "/")+c.Path, c.Body, expect.MaxBody, true)
	if err != nil {
		return err
	}
	if a.Status == http.StatusTooManyRequests && !c.All.Wants(a.Status) {
		return tooMany(a.Header)
	}
	var unseen error // says nothing about the page
	a.Show = func(ctx context.Context, b expect.Browser) (page expect.Page, err error) {
		page, unseen = r.show(ctx, s, b, picture)
		return page, unseen
	}
	if err := c.All.Judge(ctx, a.Answer); err != nil {
		return cmp.Or(unseen, err)
	}
	if c.Assets {
		return s.assets(ctx, a)
	}
	return nil
}
