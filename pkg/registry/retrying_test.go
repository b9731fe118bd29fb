package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/retry"
)

// halting serves a blob and hangs up whenever so many bytes of an answer are out.
type halting struct {
	blob  []byte
	after []int  // bytes of the answers, the last one whole
	parts bool   // it serves parts
	mute  bool   // it answers 416 to who asks for one
	no    string // it refuses what is asked again
	asked []string
}

func (h *halting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.asked = append(h.asked, strings.TrimSuffix(r.Header.Get("Range"), fmt.Sprint(len(h.blob)-1)))
	from, status := 0, http.StatusOK
	if h.parts && r.Header.Get("Range") != "" {
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(h.blob)-1, len(h.blob)))
		status = http.StatusPartialContent
	}
	if h.mute && r.Header.Get("Range") != "" {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	if h.no != "" && len(h.asked) > 1 {
		http.Error(w, h.no, http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(h.blob)-from))
	w.WriteHeader(status)
	if n := len(h.asked); n <= len(h.after) {
		_, _ = w.Write(h.blob[from:][:h.after[n-1]])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(h.blob[from:])
}

// The bytes that came are not asked for twice, where the registry has parts: a connection
// that ends in the middle of a large layer (containers/image#1145, anchore/stereoscope#695),
// over HTTP/2 with an error of its own (aquasecurity/trivy#5440).
func TestALongBlobThatBreaksOffGoesOn(t *testing.T) {
	blob := bytes.Repeat([]byte("0123456789abcdef"), 3*maxAtOnce/16)
	for name, c := range map[string]struct {
		halting
		http2 bool
		want  []string
		err   string
	}{
		"it does not break":              {halting: halting{}, want: []string{""}},
		"once":                           {halting: halting{parts: true, after: []int{1000}}, want: []string{"", "bytes=1000-"}},
		"before its first byte":          {halting: halting{parts: true, after: []int{0}}, want: []string{"", "bytes=0-"}},
		"over HTTP/2":                    {halting: halting{parts: true, after: []int{1000}}, http2: true, want: []string{"", "bytes=1000-"}},
		"oftener than there are tries":   {halting: halting{parts: true, after: []int{10, 20, 30, 40}}, want: []string{"", "bytes=10-", "bytes=30-", "bytes=60-", "bytes=100-"}},
		"a registry without parts":       {halting: halting{after: []int{1000, 2000}}, want: []string{"", "bytes=1000-", "bytes=2000-"}},
		"a registry that refuses parts":  {halting: halting{mute: true, after: []int{1000}}, want: []string{"", "bytes=1000-", ""}},
		"it comes no nearer":             {halting: halting{parts: true, after: []int{10, 0, 0}}, want: []string{"", "bytes=10-", "bytes=10-"}, err: "trying 3 times"},
		"the address is no longer valid": {halting: halting{after: []int{1000}, no: "Request has expired"}, want: []string{"", "bytes=1000-"}, err: "403 Forbidden when it is asked for the rest"},
	} {
		t.Run(name, func(t *testing.T) {
			c.blob = blob
			server := httptest.NewUnstartedServer(&c.halting)
			server.EnableHTTP2 = c.http2
			server.StartTLS()
			defer server.Close()
			client := Access{Retry: retry.Policy{Attempts: 3, First: time.Millisecond}}.Connect()
			defer client.Close()
			client.base.next.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
			response, err := (&http.Client{Transport: client.Transport}).Get(server.URL + "/v2/team/app/blobs/sha256:1")
			require.NoError(t, err)
			got, err := io.ReadAll(response.Body)
			require.NoError(t, response.Body.Close())
			require.Equal(t, c.want, c.asked)
			require.Equal(t, strings.Count(strings.Join(c.want, " "), "bytes="), client.Retry.Count())
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.True(t, bytes.Equal(blob, got))
		})
	}
}

// A registry whose name is wrong does not heal; one that was there may come back.
func TestARegistryThatWasNeverThereIsNotWaitedForAsLong(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for name, c := range map[string]struct {
		there bool
		lost  error
		tries int
	}{
		"refused":                    {false, &net.OpError{Op: "dial", Err: errors.New("connection refused")}, maxUnanswered},
		"no answer about the name":   {false, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}, maxUnanswered},
		"no such name":               {false, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, 1},
		"a proxy that does not help": {false, errors.New("Bad Gateway"), maxUnanswered},
		"it was there before":        {true, &net.OpError{Op: "dial", Err: errors.New("connection refused")}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			client := Access{Insecure: []string{"127.0.0.1"}, Retry: retry.Policy{Attempts: 8, First: time.Millisecond, Longest: time.Millisecond}}.Connect()
			ask := &http.Client{Transport: client.Transport}
			if c.there {
				require.NoError(t, get(t, ask, server.URL+"/v2/"))
				client.Close()
			}
			tries := 0
			client.base.next.DialContext = func(context.Context, string, string) (net.Conn, error) {
				tries++
				return nil, c.lost
			}
			err := get(t, ask, server.URL+"/v2/team/app/manifests/1")
			require.ErrorIs(t, err, c.lost)
			require.Equal(t, c.tries, tries)
		})
	}
}
