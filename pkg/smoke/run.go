package smoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// parallel is how many checks are on their way to one target at a time.
const parallel = 4

// Target is where a suite is sent.
type Target struct {
	Name      string // "Pod/x", "Service/y", or the URL
	BaseURL   string // scheme and host, without a path
	Transport http.RoundTripper
	// Outside says that the target may be closed from here although it works, as
	// a public URL behind a firewall is: no answer at all is then inconclusive.
	Outside bool
}

// Run sends every check to the target and gives the results in the suite's order.
// Each is asked until it has passed Consecutive times in a row, or until Attempts
// or Budget are used up. A check is inconclusive, and not failed, when what it saw
// says nothing about the application: the transport's error is of
// [pipeline.KindUnavailable], there is no answer from a target that is Outside,
// the target answers 429, a ${NAME} was never filled in, or ctx cut it short.
func Run(ctx context.Context, s Suite, target Target, log *slog.Logger) []pipeline.Check {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := runner{suite: s.withDefaults(), target: target, log: log.With("target", target.Name)}
	results := make([]pipeline.Check, len(r.suite.Checks))
	slots := make(chan struct{}, parallel)
	var all sync.WaitGroup
	for i, c := range r.suite.Checks {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i] = r.check(ctx, c)
		})
	}
	all.Wait()
	for _, result := range results {
		log.Info(fmt.Sprintf("smoke %s on %s: %s", result.Name, result.Target, result.Result), "seconds", fmt.Sprintf("%.2f", result.Seconds), "detail", result.Detail)
	}
	return results
}

type runner struct {
	suite  Suite
	target Target
	log    *slog.Logger
}

func (r runner) timeout() time.Duration { return time.Duration(r.suite.Timeout) }

// check asks until the verdict about one check is clear.
func (r runner) check(parent context.Context, c Check) pipeline.Check {
	start := time.Now()
	ctx, cancel := context.WithTimeout(parent, time.Duration(r.suite.Budget))
	defer cancel()
	passed, err := r.ask(ctx, c)
	result := pipeline.Check{Name: c.Name, Target: r.target.Name, Result: "passed", Seconds: time.Since(start).Seconds()}
	if passed {
		return result
	}
	result.Result = "failed"
	if parent.Err() != nil {
		result.Result, err = "inconclusive", fmt.Errorf("the time is up: %w", err)
	} else if r.unclear(err) {
		result.Result = "inconclusive"
	}
	result.Detail = quote(redact(err.Error(), c.credentials()), maxDetail)
	return result
}

// ask sends the request until it has passed often enough in a row; the error says
// why it has not.
func (r runner) ask(ctx context.Context, c Check) (bool, error) {
	if missing := c.placeholders(); len(missing) > 0 {
		return false, notFilled(missing)
	}
	row, last := 0, error(nil)
	for attempt := range r.suite.Attempts {
		if attempt > 0 && !wait(ctx, time.Duration(r.suite.Interval)) {
			break
		}
		err := r.once(ctx, c)
		if err == nil {
			if row++; row == r.suite.Consecutive {
				return true, nil
			}
			last = fmt.Errorf("passed %d times in a row, should be %d", row, r.suite.Consecutive)
			continue
		}
		r.log.Debug("smoke attempt failed", "check", c.Name, "attempt", attempt+1, "detail", quote(redact(err.Error(), c.credentials()), maxDetail))
		row = 0
		// A request that the end of the time cut off says less than the answer before it.
		if last == nil || ctx.Err() == nil {
			last = err
		}
	}
	if last == nil {
		last = ctx.Err()
	}
	return false, last
}

// notFilled names the placeholders of a check that nobody filled in.
type notFilled []string

func (n notFilled) Error() string { return "${" + strings.Join(n, "}, ${") + "} was not filled in" }

// unclear tells whether an error says nothing about the application.
func (r runner) unclear(err error) bool {
	var unanswered noAnswer
	var unfilled notFilled
	return errors.Is(err, errTooMany) || errors.As(err, &unfilled) || pipeline.KindOf(err) == pipeline.KindUnavailable ||
		r.target.Outside && errors.As(err, &unanswered)
}

// once sends one request and looks at its answer.
func (r runner) once(ctx context.Context, c Check) error {
	start := time.Now()
	response, err := r.fetch(ctx, c, strings.TrimSuffix(r.target.BaseURL, "/")+c.Path)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := readAll(response)
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusTooManyRequests && c.Expect.Status != http.StatusTooManyRequests {
		return errTooMany
	}
	if err := c.Expect.judge(response, body, time.Since(start)); err != nil {
		return err
	}
	if c.Assets {
		return r.assets(ctx, c, response.Request.URL, body)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
