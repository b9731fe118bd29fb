package smoke

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

const (
	// maxBody is how much of an answer is read, in bytes.
	maxBody = 1 << 20
	// maxDetail bounds what a result quotes of an answer, in runes.
	maxDetail = 300
)

// Target is where a suite is sent.
type Target struct {
	Name      string // "Pod/x", "Service/y", or the URL
	BaseURL   string // scheme and host, without a path
	Transport http.RoundTripper
}

// Run sends every check to the target. Each is asked until it has passed
// Consecutive times in a row or Attempts are used up. Redirects are not followed:
// they are answers. A check that ctx cut short is inconclusive.
func Run(ctx context.Context, s Suite, target Target, log *slog.Logger) []pipeline.Check {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := runner{suite: s.withDefaults(), target: target, client: &http.Client{
		Transport:     target.Transport,
		Timeout:       time.Duration(s.withDefaults().Timeout),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	results := make([]pipeline.Check, 0, len(r.suite.Checks))
	for _, c := range r.suite.Checks {
		result := r.check(ctx, c)
		log.Info(fmt.Sprintf("smoke %s on %s: %s", result.Name, result.Target, result.Result), "seconds", fmt.Sprintf("%.2f", result.Seconds), "detail", result.Detail)
		results = append(results, result)
	}
	return results
}

type runner struct {
	suite  Suite
	target Target
	client *http.Client
}

// check asks until the verdict about one check is clear.
func (r runner) check(ctx context.Context, c Check) pipeline.Check {
	start := time.Now()
	result := pipeline.Check{Name: c.Name, Target: r.target.Name, Result: "failed"}
	passed := 0
	for attempt := range r.suite.Attempts {
		if attempt > 0 && !wait(ctx, time.Duration(r.suite.Interval)) {
			break
		}
		if err := r.once(ctx, c); err != nil {
			passed, result.Detail = 0, quote(err.Error(), c.Headers)
			continue
		}
		if passed++; passed == r.suite.Consecutive {
			result.Result, result.Detail = "passed", ""
			break
		}
		// The attempts that are left cannot be enough any more.
		result.Detail = fmt.Sprintf("passed %d times in a row, should be %d", passed, r.suite.Consecutive)
	}
	if result.Result == "failed" && ctx.Err() != nil {
		result.Result = "inconclusive"
		result.Detail = strings.TrimSuffix("the time is up: "+result.Detail, ": ")
	}
	result.Seconds = time.Since(start).Seconds()
	return result
}

// once sends one request and looks at its answer.
func (r runner) once(ctx context.Context, c Check) error {
	start := time.Now()
	response, body, err := r.fetch(ctx, c)
	if err != nil {
		return err
	}
	if err := c.Expect.judge(response, body, time.Since(start)); err != nil {
		return err
	}
	if c.Assets {
		return r.assets(ctx, c.Path, body)
	}
	return nil
}

// fetch reads a whole answer, up to the limit.
func (r runner) fetch(ctx context.Context, c Check) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, c.Method, r.target.BaseURL+c.Path, strings.NewReader(c.Body))
	if err != nil {
		return nil, nil, err
	}
	for name, value := range c.Headers {
		request.Header.Set(name, value)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the answer: %w", err)
	}
	return response, body, nil
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

// quote makes a detail safe to show: short, on one line, without the values of
// the check's own headers, which may be credentials.
func quote(text string, headers map[string]string) string {
	for _, value := range headers {
		if len(value) >= 4 {
			text = strings.ReplaceAll(text, value, "***")
		}
	}
	quoted := strconv.Quote(strings.ToValidUTF8(text, "?"))
	text = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if runes := []rune(text); len(runes) > maxDetail {
		return string(runes[:maxDetail]) + "…"
	}
	return text
}
