package registry

import (
	"bytes"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/retry"
)

// client follows redirects as the registry libraries do: without a limit.
func client(o TransportOptions) *http.Client {
	return &http.Client{Transport: NewTransport(o), CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
}

// get asks and reads the whole answer.
func get(t *testing.T, c *http.Client, address string) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	request.SetBasicAuth("robot", "word")
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func TestNothingGoesInClearTextUnasked(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for _, insecure := range [][]string{nil, {"registry.example.com"}, {"127.0.0.1:1"}, {"127.0.0"}} {
		err := get(t, client(TransportOptions{Insecure: insecure}), server.URL+"/v2/")
		require.ErrorContains(t, err, "give --insecure-registry "+host)
		require.True(t, Final(err))
	}
	require.Zero(t, asked, "not even to find out")
	for _, insecure := range []string{host, "127.0.0.1"} {
		err := get(t, client(TransportOptions{Insecure: []string{insecure}}), server.URL+"/v2/")
		require.NoError(t, err)
	}
}

func TestAnEncryptedRegistryCannotSendToAnOpenHost(t *testing.T) {
	open := httptest.NewServer(http.NotFoundHandler())
	defer open.Close()
	server := httptest.NewTLSServer(http.RedirectHandler(open.URL+"/x", http.StatusTemporaryRedirect))
	defer server.Close()
	c := client(TransportOptions{})
	c.Transport.(*Transport).next.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	err := get(t, c, server.URL+"/v2/a/blobs/x")
	require.ErrorContains(t, err, "without encryption")

	err = get(t, client(TransportOptions{}), server.URL+"/v2/")
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown, "encrypted means to a known one")
}

func TestRedirectsEnd(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	}))
	defer server.Close()
	err := get(t, client(TransportOptions{Insecure: []string{"127.0.0.1"}}), server.URL+"/v2/a/manifests/x")
	require.ErrorContains(t, err, "redirects more than 10 times")
	require.True(t, Final(err))
	require.Equal(t, 11, asked)
}

func TestAnswersAreBounded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("away") {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_, _ = w.Write(bytes.Repeat([]byte(" "), 2000))
	}))
	defer server.Close()
	c := client(TransportOptions{Insecure: []string{"127.0.0.1"}, MaxAnswer: 1000, MaxBlob: 3000})
	for address, fits := range map[string]bool{
		"/v2/a/manifests/x": false, "/v2/a/manifests/x?away": false, "/v2/": false,
		"/v2/a/blobs/x": true, "/v2/a/blobs/x?away": true,
	} {
		err := get(t, c, server.URL+address)
		require.Equal(t, fits, err == nil, "%s: %v", address, err)
	}
}

// trickle gives a byte now and then.
type trickle struct {
	every time.Duration
	size  int
	left  int
}

func (s *trickle) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(s.every)
	n := min(s.size, len(p), s.left)
	s.left -= n
	return n, nil
}

func (s *trickle) Close() error { return nil }

func TestAnAnswerThatTricklesIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		from trickle
		rest time.Duration // of the reader, after each piece
		ok   bool
	}{
		"a byte each second":              {from: trickle{time.Second, 1, 1000}},
		"a slow line":                     {from: trickle{time.Second, 2000, 2_000_000}, ok: true},
		"few bytes, but soon over":        {from: trickle{time.Second, 1, 100}, ok: true},
		"who reads takes its time":        {from: trickle{time.Millisecond, 100, 10_000}, rest: time.Minute, ok: true},
		"a good start and then a trickle": {from: trickle{time.Second, 3, 10_000}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &body{ReadCloser: &c.from, limit: 1 << 30, left: 1 << 30, stall: 2 * time.Minute}
				start, piece := time.Now(), make([]byte, 4096)
				var err error
				for err == nil {
					_, err = b.Read(piece)
					time.Sleep(c.rest)
				}
				if c.ok {
					require.ErrorIs(t, err, io.EOF)
					return
				}
				require.NotErrorIs(t, err, io.EOF)
				require.ErrorContains(t, err, "bytes came in 2m")
				require.Less(t, time.Since(start), 3*time.Minute)
			})
		})
	}
}

// The configuration of an image is a blob: an answer that breaks off is asked for again,
// as that of a manifest.
func TestASmallBlobThatBreaksOffIsAskedForAgain(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "7")
		text := "content"
		if asked++; asked == 1 {
			text = "con" // the server hangs up
		}
		_, _ = io.WriteString(w, text)
	}))
	defer server.Close()
	c := Access{Insecure: []string{"127.0.0.1"}, Retry: retry.Policy{Attempts: 2, First: time.Millisecond}}.Connect()
	require.NoError(t, get(t, &http.Client{Transport: c.Transport}, server.URL+"/v2/team/app/blobs/sha256:1"))
	require.Equal(t, 2, asked)
}
