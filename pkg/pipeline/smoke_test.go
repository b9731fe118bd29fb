package pipeline

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke"
)

// One wrong answer is enough: nobody waits for a page that hangs before the rollback.
func TestTheProberCutsShortWhatNoLongerCounts(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hangs" {
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	suite := smoke.Suite{Attempts: 1, Checks: []smoke.Check{{Name: "hangs", Path: "/hangs"}, {Name: "wrong", Path: "/"}}}
	p := prober{suite: &suite, url: server.URL}
	began := time.Now()
	checks, err := p.Probe(t.Context(), deploy.Targets{Enough: func(c record.Check) bool { return c.Result == "failed" }})
	require.NoError(t, err)
	require.Equal(t, []record.CheckResult{record.CheckInconclusive, record.CheckFailed}, []record.CheckResult{checks[0].Result, checks[1].Result})
	require.Contains(t, checks[0].Detail, "cut short, because wrong on ")
	require.Less(t, time.Since(began), 5*time.Second)
}
