package smoke

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
)

// step is what a scripted transport does with one request.
type step struct {
	status     int // 0 gives err
	retryAfter string
	err        error
	body       error // that ends the body, nil for a whole one
	takes      time.Duration
}

// scripted answers by a list of steps, the last of which repeats, and notes when
// it was asked.
type scripted struct {
	steps []step
	began time.Time
	asked []time.Duration
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	at := s.steps[min(len(s.asked), len(s.steps)-1)]
	s.asked = append(s.asked, time.Since(s.began).Round(time.Millisecond))
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-time.After(at.takes):
	}
	if at.status == 0 {
		return nil, at.err
	}
	header := http.Header{}
	if at.retryAfter != "" {
		header.Set("Retry-After", at.retryAfter)
	}
	body := io.Reader(strings.NewReader("hello"))
	if at.body != nil {
		body = io.MultiReader(body, iotest.ErrReader(at.body))
	}
	return &http.Response{StatusCode: at.status, Header: header, Body: io.NopCloser(body), Request: r}, nil
}

func TestHowLongACheckIsAsked(t *testing.T) {
	away := record.Unavailable("kube/unreachable", "no API server")
	late := record.Unavailable("kube/unreachable", "forwarding a port: %w", context.DeadlineExceeded)
	denied := record.Refused("kube/forbidden", "pods/portforward is forbidden")
	reset := errors.New("connection reset")
	const odd = 59500 * time.Millisecond // no two timers end at once
	good, bad, gone := step{status: 200}, step{status: 500}, step{err: away}
	times := func(s step, n int) (steps []step) {
		for range n {
			steps = append(steps, s)
		}
		return steps
	}
	cases := map[string]struct {
		suite   checks.Suite
		steps   []step
		kind    record.TargetKind
		result  record.CheckResult
		detail  string
		asked   int
		seconds float64
	}{
		"passes at once":                        {checks.Suite{}, times(good, 1), record.TargetPod, "passed", "", 1, 0},
		"fails until the attempts are used up":  {checks.Suite{}, times(bad, 1), record.TargetPod, "failed", "status 500, should be 200", 5, 4},
		"three in a row at last":                {checks.Suite{Consecutive: 3, Attempts: 9}, append(times(bad, 3), good), record.TargetPod, "passed", "", 6, 5},
		"a row that has begun is finished":      {checks.Suite{Consecutive: 3, Attempts: 5}, append(times(bad, 4), good), record.TargetPod, "passed", "", 7, 6},
		"a row that breaks after the attempts":  {checks.Suite{Consecutive: 3, Attempts: 5}, append(times(bad, 4), good, good, bad), record.TargetPod, "failed", "status 500", 7, 6},
		"an API server that comes back":         {checks.Suite{Attempts: 2}, append(times(gone, 30), good), record.TargetPod, "passed", "", 31, 30},
		"an API server that stays away":         {checks.Suite{Budget: odd}, times(gone, 1), record.TargetPod, "inconclusive", "no API server [kube/unreachable]", 60, 59},
		"an API server that goes away":          {checks.Suite{Budget: odd}, append(times(bad, 2), gone), record.TargetPod, "inconclusive", "no API server [kube/unreachable]; before that: status 500, should be 200", 60, 59},
		"trouble on the way breaks no row":      {checks.Suite{Consecutive: 2}, []step{good, gone, good}, record.TargetPod, "passed", "", 3, 2},
		"no permission is not asked for again":  {checks.Suite{}, []step{{err: denied}}, record.TargetPod, "inconclusive", "is forbidden", 1, 0},
		"an API server that is slow":            {checks.Suite{Attempts: 1}, []step{{err: late}, good}, record.TargetPod, "passed", "", 2, 1},
		"a way that breaks during the answer":   {checks.Suite{Attempts: 1}, []step{{status: 200, body: record.Unavailable("kube/unreachable", "%w", io.ErrUnexpectedEOF)}, good}, record.TargetPod, "passed", "", 2, 1},
		"429 with the time to wait":             {checks.Suite{Attempts: 1}, []step{{status: 429, retryAfter: "7"}, good}, record.TargetPod, "passed", "", 2, 7},
		"429 with a date":                       {checks.Suite{Attempts: 1}, []step{{status: 429, retryAfter: "Sat, 01 Jan 2000 00:00:09 GMT"}, good}, record.TargetPod, "passed", "", 2, 9},
		"429 with more time than there is":      {checks.Suite{}, []step{{status: 429, retryAfter: "120"}}, record.TargetPod, "inconclusive", "status 429, too many requests; the next is welcome in 2m0s", 1, 0},
		"429 with nonsense":                     {checks.Suite{}, []step{{status: 429, retryAfter: "-3"}, good}, record.TargetPod, "passed", "", 2, 1},
		"429 for ever is asked less and less":   {checks.Suite{Budget: odd}, []step{{status: 429}}, record.TargetPod, "inconclusive", "status 429", 7, 45},
		"429 at a URL is no broken deploy":      {checks.Suite{}, []step{{status: 429, retryAfter: "120"}}, record.TargetPublic, "inconclusive", "status 429", 1, 0},
		"a pod that never answers":              {checks.Suite{Attempts: 2}, []step{{takes: time.Hour}}, record.TargetPod, "failed", "no answer within 10s", 2, 21},
		"a URL that never answers":              {checks.Suite{Attempts: 2}, []step{{takes: time.Hour}}, record.TargetPublic, "inconclusive", "unreachable: no answer within 10s", 2, 21},
		"a URL that answers badly now and then": {checks.Suite{Attempts: 3}, []step{{status: 502}, {err: reset}}, record.TargetPublic, "failed", "status 502", 3, 2},
		"a URL that resets":                     {checks.Suite{Attempts: 3}, []step{{err: reset}}, record.TargetPublic, "inconclusive", "unreachable: connection reset", 3, 2},
		"a pod that resets":                     {checks.Suite{Attempts: 3}, []step{{err: reset}}, record.TargetPod, "failed", "connection reset", 3, 2},
		"the budget ends a long row":            {checks.Suite{Consecutive: 8}, []step{{status: 200, takes: 9 * time.Second}}, record.TargetPod, "inconclusive", "passed 6 times in a row within 1m0s, should be 8", 7, 60},
		"the budget ends a long failure":        {checks.Suite{Attempts: 1000, Budget: 5 * time.Second, Timeout: 2 * time.Second}, []step{bad, {takes: time.Hour}}, record.TargetPod, "failed", "no answer within 2s", 3, 5},
		"a quick look that is lucky":            {checks.Suite{Consecutive: 5}.Quick(), []step{bad, good}, record.TargetPod, "passed", "", 2, 1},
		"a quick look at what fails":            {checks.Suite{}.Quick(), times(bad, 1), record.TargetPod, "failed", "status 500", 3, 2},
		"a quick look at what hangs":            {checks.Suite{}.Quick(), []step{{takes: time.Hour}}, record.TargetPod, "failed", "no answer within 5s", 1, 5},
		"a quick look past the API server":      {checks.Suite{Budget: 4500 * time.Millisecond}.Quick(), times(gone, 1), record.TargetPod, "inconclusive", "no API server", 5, 4},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := &scripted{steps: c.steps, began: time.Now()}
				c.suite.Checks = []checks.Check{{Name: "n", Path: "/"}}
				got := Run(t.Context(), c.suite, Target{Name: "x", BaseURL: "http://target.invalid", Transport: transport, Kind: c.kind}, nil)[0]
				require.Equal(t, c.result, got.Result, got.Detail)
				require.Contains(t, got.Detail, c.detail)
				require.Equal(t, strings.HasPrefix(c.detail, "unreachable: "), got.Unreachable)
				require.InDelta(t, c.seconds, got.Seconds, 0.001)
				require.Len(t, transport.asked, c.asked)
			})
		})
	}
}

func TestARunThatIsCutShortIsInconclusiveAndSaysWhatWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		transport := &scripted{steps: []step{{status: 503}}, began: time.Now()}
		target := Target{BaseURL: "http://target.invalid", Transport: transport}
		suite := checks.Suite{Checks: []checks.Check{{Name: "n", Path: "/"}}}
		got := Run(ctx, suite, target, nil)[0]
		require.Equal(t, []any{record.CheckInconclusive, "the time is up: status 503, should be 200: hello"}, []any{got.Result, got.Detail})
		got = Run(ctx, suite, target, nil)[0]
		require.Equal(t, record.CheckInconclusive, got.Result, "nor does a request that was never made count")
	})
}

func TestATargetIsAskedFourThingsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var suite checks.Suite
		for _, name := range strings.Split("a b c d e f g h i", " ") {
			suite.Checks = append(suite.Checks, checks.Check{Name: name, Path: "/"})
		}
		// Without an order of its own the list of steps would race.
		transport := crowd{now: make(chan int, 1), most: make(chan int, 1)}
		transport.now <- 0
		transport.most <- 0
		got := Run(t.Context(), suite, Target{BaseURL: "http://target.invalid", Transport: transport}, nil)
		for i, c := range suite.Checks {
			require.Equal(t, c.Name, got[i].Name, "in the suite's order")
			require.Equal(t, record.CheckPassed, got[i].Result)
		}
		require.Equal(t, 4, <-transport.most)
	})
}

// crowd notes how many requests are on their way at most.
type crowd struct{ now, most chan int }

func (c crowd) RoundTrip(r *http.Request) (*http.Response, error) {
	n := <-c.now + 1
	c.now <- n
	c.most <- max(n, <-c.most)
	time.Sleep(time.Second)
	c.now <- <-c.now - 1
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// A deploy with one wrong answer and one page that hung served nobody for 57 s more,
// until the second was given up, too.
func TestOnceAnotherCheckHasFailedTheRestIsCutShortAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		began := time.Now()
		target := Target{Name: "Pod/a", BaseURL: "http://target.invalid", Transport: byPath{"/wrong": 0, "/hangs": time.Hour}}
		target.Told = func(c record.Check) {
			if c.Result == "failed" {
				cancel(Enough{Failed: c})
			}
		}
		suite := checks.Suite{Attempts: 2, Checks: []checks.Check{{Name: "hangs", Path: "/hangs"}, {Name: "wrong", Path: "/wrong"}}}
		got := Run(ctx, suite, target, nil)
		require.Equal(t, []record.CheckResult{record.CheckInconclusive, record.CheckFailed}, []record.CheckResult{got[0].Result, got[1].Result})
		require.Equal(t, "cut short, because wrong on Pod/a has failed", got[0].Detail)
		require.Less(t, time.Since(began), 2*time.Second)
	})
}

// byPath answers 404 after a time.
type byPath map[string]time.Duration

func (b byPath) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-time.After(b[r.URL.Path]):
	}
	return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Request: r}, nil
}
