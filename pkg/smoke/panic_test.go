package smoke

import (
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
)

// breaking is a way to the application on which something of ours breaks.
type breaking struct{ in io.ReadCloser }

func (b breaking) RoundTrip(*http.Request) (*http.Response, error) {
	if b.in == nil {
		panic("on the way\n::error::out")
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: b.in, Request: &http.Request{}}, nil
}

type breakingBody struct{}

func (breakingBody) Read([]byte) (int, error) { panic("in the body") }
func (breakingBody) Close() error             { return nil }

func TestAPanicWhileAnAnswerIsReadSaysNothingAboutTheApplication(t *testing.T) {
	for name, c := range map[string]struct {
		transport http.RoundTripper
		want      string
	}{
		"on the way":  {breaking{}, `panic: on the way\n::error::out [smoke/panicked]`},
		"in the body": {breaking{breakingBody{}}, "panic: in the body [smoke/panicked]"},
	} {
		t.Run(name, func(t *testing.T) {
			suite := checks.Suite{Checks: []checks.Check{{Name: "one", Path: "/"}, {Name: "two", Path: "/"}}}
			results := Run(t.Context(), suite, Target{Name: "Pod/a", BaseURL: "http://target.invalid", Transport: c.transport}, slog.New(slog.DiscardHandler))
			require.Len(t, results, 2, "the other check has its result, too")
			for _, r := range results {
				require.Equal(t, record.CheckInconclusive, r.Result)
				require.Contains(t, r.Detail, c.want)
				require.NotContains(t, r.Detail, "\n")
			}
			require.NotEmpty(t, record.TakePanics(), "where it happened is kept")
		})
	}
}
