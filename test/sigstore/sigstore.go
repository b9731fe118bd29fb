// Package sigstore tests keyless signatures with a private Sigstore (server), and
// both ways beside the cosign CLI.
package sigstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Sigstore is a running one: the variables of its env file.
type Sigstore map[string]string

// Start runs the program, with or without Rekor, until the test ends.
func Start(t *testing.T, program string, withLog bool) Sigstore {
	t.Helper()
	dir, ready := t.TempDir(), filepath.Join(t.TempDir(), "ready")
	cmd := exec.Command(program, "--dir", dir, "--ready", ready, fmt.Sprintf("--without-rekor=%t", !withLog))
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	require.NoError(t, cmd.Start(), "make test-sigstore builds the program")
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		require.NoError(t, <-ended, words.String())
	})
	require.Eventually(t, func() bool {
		_, err := os.Stat(ready)
		return err == nil
	}, time.Minute, 20*time.Millisecond, "%s is not ready", program)
	return read(t, filepath.Join(dir, "env"))
}

func read(t *testing.T, file string) Sigstore {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	s := Sigstore{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		s[name] = value
	}
	return s
}

// Environment lets a job of the workflow ask for a token, as `permissions:
// id-token: write` does.
func (s Sigstore) Environment(w Workflow) []string {
	return []string{
		"ACTIONS_ID_TOKEN_REQUEST_URL=" + s["ACTIONS_ID_TOKEN_REQUEST_URL"] + w.parameters(),
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + s["ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
	}
}

// Token is one for a job of the workflow, for a client that does not ask itself.
func (s Sigstore) Token(t *testing.T, w Workflow) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s["ACTIONS_ID_TOKEN_REQUEST_URL"]+w.parameters()+"&audience=sigstore", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+s["ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
	var answer struct{ Value string }
	require.NoError(t, json.Unmarshal(do(t, request), &answer))
	return answer.Value
}

// Fail makes the next n requests to a server fail, as in an outage; servers are
// issuer, fulcio, ctlog, stamps and rekor.
func (s Sigstore) Fail(t *testing.T, server string, n int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, fmt.Sprintf("%s/%s?mode=503&requests=%d", s["CONTROL_URL"], server, n), nil)
	require.NoError(t, err)
	do(t, request)
}

func do(t *testing.T, request *http.Request) []byte {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var text bytes.Buffer
	_, err = text.ReadFrom(http.MaxBytesReader(nil, response.Body, 1<<20))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, text.String())
	return text.Bytes()
}

func write(t *testing.T, dir, name string, text []byte) string {
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}
