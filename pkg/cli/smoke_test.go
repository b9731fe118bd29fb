package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke"
)

// The smoke command against a public URL that answers.
func TestSmokeSaysHowThePublicURLAnswers(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	suite := filepath.Join(t.TempDir(), "smoke.yaml")
	require.NoError(t, os.WriteFile(suite, []byte("attempts: 1\nchecks: [{name: page, path: /}]\n"), 0o600))
	run := func() (int, string) {
		var stdout, stderr bytes.Buffer
		code := Main([]string{"smoke", "--smoke", suite, "--public-url", server.URL, "--output", "json"}, nil, &stdout, &stderr)
		return code, stdout.String()
	}
	code, record := run()
	require.Equal(t, exitOK, code, record)
	require.Contains(t, record, `"verdict": "ok"`)
	require.Contains(t, record, `"target": "`+server.URL+`"`)
	status = http.StatusInternalServerError
	code, record = run()
	require.Equal(t, exitRefused, code)
	require.Contains(t, record, "status 500, should be 200")
}

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
