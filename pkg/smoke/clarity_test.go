package smoke

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// broken is a transport that never gets through.
type broken struct{ err error }

func (b broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

func TestOnlyWhatTheApplicationDidCountsAgainstIt(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	cases := map[string]struct {
		handler http.HandlerFunc
		target  Target
		check   Check
		result  string
		detail  string
	}{
		"a pod that refuses":                 {nil, Target{Transport: broken{refused}}, Check{}, "failed", "connection refused"},
		"a public address that refuses":      {nil, Target{Transport: broken{refused}, Outside: true}, Check{}, "inconclusive", "connection refused"},
		"a public address with a bad answer": {reply(502, "", "gateway"), Target{Outside: true}, Check{}, "failed", "status 502"},
		"a pod that never answers":           {hang, Target{}, Check{}, "failed", "no answer within 50ms"},
		"the cluster is out of reach":        {nil, Target{Transport: broken{pipeline.Unavailable("kube/unreachable", "no API server")}}, Check{}, "inconclusive", "no API server"},
		"too many requests":                  {reply(429, "", ""), Target{}, Check{}, "inconclusive", "429"},
		"429 where it is wanted":             {reply(429, "", ""), Target{}, Check{Expect: Expect{Status: Statuses{"429"}}}, "passed", ""},
		"a token that nobody filled in":      {reply(401, "", ""), Target{}, Check{Headers: map[string]string{"Authorization": "Bearer ${TOKEN}"}}, "inconclusive", "${TOKEN} was not filled in"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.handler != nil {
				server := httptest.NewServer(c.handler)
				defer server.Close()
				c.target.BaseURL = server.URL
			} else {
				c.target.BaseURL = "http://target.invalid"
			}
			c.check.Name, c.check.Path = "n", "/"
			suite := Suite{Attempts: 2, Interval: 1, Timeout: 50 * time.Millisecond, Budget: 200 * time.Millisecond, Checks: []Check{c.check}}
			if c.result == "passed" {
				suite.Timeout, suite.Budget = 0, 0
			}
			got := Run(t.Context(), suite, c.target, nil)[0]
			require.Equal(t, c.result, got.Result, got.Detail)
			require.Contains(t, got.Detail, c.detail)
		})
	}
}

func TestACancelledRunKeepsWhatWasSeen(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		cancel()
	}))
	defer server.Close()
	got := Run(ctx, Suite{Checks: []Check{{Name: "n", Path: "/"}}}, Target{BaseURL: server.URL}, nil)[0]
	require.Equal(t, "inconclusive", got.Result)
	require.Contains(t, got.Detail, "the time is up")
}
