package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
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
