package smoke

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
)

// raw answers each connection's first request with bytes and closes it.
func raw(t *testing.T, text string) Target {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				if _, err := http.ReadRequest(bufio.NewReader(connection)); err == nil {
					_, _ = io.WriteString(connection, text)
				}
			}()
		}
	}()
	return Target{Name: "Pod/a", BaseURL: "http://" + listener.Addr().String()}
}

func TestAnswersThatBreakOnTheirWay(t *testing.T) {
	once := checks.Suite{Attempts: 1, Timeout: 5 * time.Second, Checks: []checks.Check{{Name: "n", Path: "/"}}}
	cases := map[string]struct {
		text   string
		result record.CheckResult
		detail string
	}{
		"HTTP/1.0 without a length":       {"HTTP/1.0 200 OK\r\n\r\nhello", "passed", ""},
		"HTTP/1.1 until the end":          {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", "passed", ""},
		"more than was promised":          {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello", "passed", ""},
		"less than was promised":          {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "failed", "the answer breaks off after 5 bytes"},
		"whole chunks":                    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "passed", ""},
		"no last chunk":                   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "failed", "the answer breaks off after 5 bytes"},
		"half a chunk":                    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "failed", "the answer breaks off after 3 bytes"},
		"a chunk of no length":            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", "failed", "reading the answer: "},
		"a status before a broken body":   {"HTTP/1.1 500 Oops\r\nContent-Length: 10\r\n\r\nhello", "failed", "status 500, should be 200: hello"},
		"two lengths":                     {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhello", "failed", "Content-Length"},
		"a cut header":                    {"HTTP/1.1 200 OK\r\nContent-Le", "failed", "malformed MIME header"},
		"nothing at all":                  {"", "failed", "EOF"},
		"another protocol":                {"SSH-2.0-OpenSSH_9.2\r\n", "failed", "malformed HTTP"},
		"a header that is too long":       {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHeader+1) + "\r\n\r\n", "failed", "header"},
		"gzip that is none":               {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\nhello, this is no gzip", "failed", "gzip: invalid header"},
		"an empty body that is no gzip":   {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "passed", ""},
		"an answer after an interim one":  {"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "passed", ""},
		"a control character in a header": {"HTTP/1.1 302 Found\r\nLocation: /\x1b[31m\r\nContent-Length: 0\r\n\r\n", "failed", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			target := raw(t, c.text)
			got := Run(t.Context(), once, target, nil)[0]
			require.Equal(t, c.result, got.Result, got.Detail)
			require.Contains(t, got.Detail, c.detail)
			require.NotContains(t, got.Detail, "\x1b")
		})
	}
}

func TestAPublicAddressThatAnswersInPartHasAnswered(t *testing.T) {
	once := checks.Suite{Attempts: 1, Checks: []checks.Check{{Name: "n", Path: "/"}}}
	for text, want := range map[string]record.CheckResult{
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello": "failed",
		"": "inconclusive",
	} {
		target := raw(t, text)
		target.Kind = record.TargetPublic
		require.Equal(t, want, Run(t.Context(), once, target, nil)[0].Result, text)
	}
}

func TestSlowAndEndlessBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drip := func(c net.Conn) {
			for text := "HTTP/1.1 200 OK\r\n\r\n"; ; text = "x" {
				if _, err := io.WriteString(c, text); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
		target := Target{Kind: record.TargetPublic, BaseURL: "http://target.invalid", Transport: piped(0, drip)}
		got := Run(t.Context(), checks.Suite{Attempts: 1, Timeout: 100 * time.Millisecond, Checks: []checks.Check{{Name: "n", Path: "/"}}}, target, nil)[0]
		require.Equal(t, record.CheckFailed, got.Result, "an answer that began is an answer")
		require.Contains(t, got.Detail, "the answer was not whole within 100ms; ")
		require.InDelta(t, 0.1, got.Seconds, 1e-6)
		time.Sleep(time.Second) // until the other end has noticed
	})

	var sent atomic.Int64
	endless := func(w http.ResponseWriter, _ *http.Request) {
		piece := bytes.Repeat([]byte("x"), 64<<10)
		for {
			n, err := w.Write(piece)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}
	got := run(t, endless, checks.Check{Name: "n", Path: "/", All: expect.All{expect.BodyRegex{"^x"}}})
	require.Equal(t, record.CheckPassed, got.Result, "what is asked of it is in its first MiB")
	require.Less(t, sent.Load(), int64(64<<20))
}

func TestCompressedAnswersAreReadAsTheyAre(t *testing.T) {
	zipped := func(body string, cut int) http.HandlerFunc {
		var out bytes.Buffer // made before the request, whose time is bounded
		zip := gzip.NewWriter(&out)
		_, _ = io.WriteString(zip, body)
		_ = zip.Close()
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("X-Asked", r.Header.Get("Accept-Encoding"))
			_, _ = w.Write(out.Bytes()[:out.Len()-cut])
		}
	}
	hello := checks.Check{Name: "n", Path: "/", All: expect.All{
		expect.BodyRegex{"^hello$"}, expect.Headers{"Content-Encoding": "^gzip$", "X-Asked": "^gzip$"},
	}}
	require.Equal(t, record.CheckPassed, run(t, zipped("hello", 0), hello).Result)
	got := run(t, zipped("hello", 6), hello)
	require.Equal(t, record.CheckFailed, got.Result)
	require.Contains(t, got.Detail, "the answer breaks off after 5 bytes")
	// A little that unfolds to much is read as far as any other body.
	bomb := run(t, zipped(strings.Repeat("x", 20<<20), 0), checks.Check{Name: "n", Path: "/", All: expect.All{expect.JSON{"a": 1}}})
	require.Contains(t, bomb.Detail, "the body is longer than 1048576 bytes")
	own := checks.Check{Name: "n", Path: "/", Headers: map[string]string{"Accept-Encoding": "br"}, All: expect.All{expect.Headers{"X-Asked": "^br$"}}}
	require.Equal(t, record.CheckPassed, run(t, zipped("", 0), own).Result, "a check may ask for another")
}

func TestRedirectsAreFollowedWhenToldAndOnTheSameHostOnly(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{
			"/near": "/", "/far": "http://elsewhere.invalid/", "/round": "/round", "/port": "http://127.0.0.1:1/", "/file": "file:///etc/passwd",
			"/1": "/2", "/2": "/3", "/3": "/4", "/4": "/5", "/5": "/6", "/6": "/",
		}[r.URL.Path]
		if to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}
	}
	for path, detail := range map[string]string{
		"/near": "", "/far": "redirects to another host, elsewhere.invalid", "/round": "redirects more than 5 times", "/port": "redirects to another host, [address]",
		"/file": "another host", "/2": "", "/1": "more than 5 times",
	} {
		target := serve(t, handler)
		target.Kind = record.TargetPublic
		got := Run(t.Context(), checks.Suite{Attempts: 1, Checks: []checks.Check{{Name: "n", Path: path, FollowRedirects: true}}}, target, nil)[0]
		require.Contains(t, got.Detail, detail)
		want := map[bool]record.CheckResult{true: record.CheckPassed, false: record.CheckFailed}[detail == ""]
		require.Equal(t, want, got.Result, "%s: a redirect is an answer, from a public address as well", path)
	}
}

func TestARedirectMayNotLeaveEncryption(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/", http.StatusFound)
	}))
	defer server.Close()
	target := Target{BaseURL: server.URL, Transport: server.Client().Transport}
	got := Run(t.Context(), checks.Suite{Attempts: 1, Checks: []checks.Check{{Name: "n", Path: "/", FollowRedirects: true}}}, target, nil)[0]
	require.Equal(t, "the answer redirects from https to http", got.Detail)
}

func TestCertificatesThatDoNotHoldAreAnswers(t *testing.T) {
	silence := log.New(io.Discard, "", 0) // clients go away on purpose
	server := httptest.NewUnstartedServer(reply(200, "", ""))
	server.Config.ErrorLog = silence
	server.StartTLS()
	defer server.Close()
	trusting := func(change func(*tls.Config)) *http.Transport {
		transport := server.Client().Transport.(*http.Transport).Clone()
		change(transport.TLSClientConfig)
		return transport
	}
	plain := httptest.NewServer(reply(200, "", ""))
	defer plain.Close()
	cases := map[string]struct {
		target Target
		result record.CheckResult
		detail string
	}{
		"a good one":           {Target{Transport: trusting(func(*tls.Config) {})}, "passed", ""},
		"an unknown authority": {Target{}, "failed", "certificate signed by unknown authority"},
		"for another host":     {Target{Transport: trusting(func(c *tls.Config) { c.ServerName = "portal.example.org" })}, "failed", "not portal.example.org"},
		"an expired one":       {Target{Transport: trusting(func(c *tls.Config) { c.Time = func() time.Time { return time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC) } })}, "failed", "certificate has expired"},
		// From here on nothing tells that it is the address that was meant.
		"no TLS at all": {Target{BaseURL: strings.Replace(plain.URL, "http:", "https:", 1)}, "inconclusive", "unreachable: "},
		"nobody there":  {Target{BaseURL: "https://127.0.0.1:1"}, "inconclusive", "unreachable: "},
		"no such name":  {Target{BaseURL: "https://portal.invalid"}, "inconclusive", "unreachable: "},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.target.Kind = record.TargetPublic
			if c.target.BaseURL == "" {
				c.target.BaseURL = server.URL
			}
			got := Run(t.Context(), checks.Suite{Attempts: 1, Checks: []checks.Check{{Name: "n", Path: "/"}}}, c.target, nil)[0]
			require.Equal(t, c.result, got.Result, got.Detail)
			require.Contains(t, got.Detail, c.detail)
		})
	}
}

func TestEachAttemptHasConnectionsOfItsOwnAndSharesThemWithItsAssets(t *testing.T) {
	var mu sync.Mutex
	var attempts []map[string]bool // the client's ends of its connections
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		answer := reply(200, "text/javascript", "x")
		if !strings.HasSuffix(r.URL.Path, ".js") {
			answer = reply(200, "text/html", `<script src="/a.js"></script><script src="/b.js"></script>`)
			attempts = append(attempts, map[string]bool{})
		}
		attempts[len(attempts)-1][r.RemoteAddr] = true
		answer(w, r)
	}))
	defer server.Close()
	// Again where an attempt had more than one: a writer that a loaded machine starves for
	// 50 ms costs net/http a connection (maxWriteWaitBeforeConnReuse).
	for range 5 {
		attempts = nil
		got := Run(t.Context(), checks.Suite{Consecutive: 3, Interval: 1, Checks: []checks.Check{{Name: "n", Path: "/", Assets: true}}}, Target{BaseURL: server.URL}, nil)[0]
		require.Equal(t, record.CheckPassed, got.Result, got.Detail)
		require.Len(t, attempts, 3)
		used, asked := map[string]bool{}, 0
		for _, own := range attempts {
			asked += len(own)
			maps.Copy(used, own)
		}
		require.Len(t, used, asked, "two attempts shared a connection: %v", attempts)
		if asked == 3 {
			return
		}
	}
	require.Fail(t, "an attempt asked for its page and its assets on several connections each time", "%v", attempts)
}

func TestAKeptConnectionOutlivesItsServerAndHarmsNobody(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := listener.Addr().String()
		start := func(l net.Listener) *http.Server {
			server := &http.Server{Handler: reply(200, "", "")}
			go func() { _ = server.Serve(l) }()
			return server
		}
		first := start(listener)
		target := Target{BaseURL: "http://" + address, Transport: &http.Transport{}}
		suite := checks.Suite{Attempts: 2, Interval: 1, Checks: []checks.Check{{Name: "n", Path: "/", Method: method, Body: "x"}}}
		require.Equal(t, record.CheckPassed, Run(t.Context(), suite, target, nil)[0].Result)
		require.NoError(t, first.Close())
		listener, err = net.Listen("tcp", address)
		require.NoError(t, err)
		second := start(listener)
		got := Run(t.Context(), suite, target, nil)[0]
		require.Equal(t, record.CheckPassed, got.Result, got.Detail)
		require.NoError(t, second.Close())
	}
}

// piped is a way to an application without a network: its connections take some time
// to be made, and each is answered by a function. It works within synctest.
func piped(connects time.Duration, answers func(net.Conn)) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		time.Sleep(connects)
		here, there := net.Pipe()
		go func() {
			defer func() { _ = there.Close() }()
			if _, err := http.ReadRequest(bufio.NewReader(there)); err == nil {
				answers(there)
			}
		}()
		return here, nil
	}}
}

func TestTheTimeToConnectIsNotTheApplications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := Target{Name: "Pod/a", BaseURL: "http://target.invalid", Transport: piped(80*time.Millisecond, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})}
		got := Run(t.Context(), checks.Suite{Attempts: 1, Checks: []checks.Check{{Name: "n", Path: "/", All: expect.All{expect.MaxLatency(60 * time.Millisecond)}}}}, target, nil)[0]
		require.Equal(t, record.CheckPassed, got.Result, got.Detail)
		require.InDelta(t, 0.08, got.Seconds, 1e-6)
	})
}

func TestWhatIsSent(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s agent=%s kind=%s body=%s", r.Method, r.Host, r.RequestURI, r.UserAgent(), r.Header.Get("Content-Type"), body)
	}
	target := serve(t, echo)
	target.BaseURL += "/portal/"
	got := Run(t.Context(), checks.Suite{Attempts: 1, Checks: []checks.Check{{
		Name: "n", Method: "POST", Path: "/a%2Fb?x=1&y=%20", Body: "hello", Headers: map[string]string{"host": "portal.example.com", "content-type": "text/plain"},
		All: expect.All{expect.BodyRegex{`^POST portal\.example\.com /portal/a%2Fb\?x=1&y=%20 agent=stagecrew-smoke kind=text/plain body=hello$`}},
	}}}, target, nil)[0]
	require.Equal(t, record.CheckPassed, got.Result, got.Detail)
}

func TestTheEndOfAConnectionThatComesLateIsNoLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const held = 300 * time.Millisecond
		target := Target{Name: "Pod/a", BaseURL: "http://target.invalid", Transport: piped(0, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\nall there is")
			time.Sleep(held)
		})}
		suite := checks.Suite{Attempts: 1, Checks: []checks.Check{{Name: "n", Path: "/", All: expect.All{expect.MaxLatency(held / 2)}}}}
		got := Run(t.Context(), suite, target, nil)[0]
		require.Equal(t, record.CheckPassed, got.Result, got.Detail)
		require.InDelta(t, held.Seconds(), got.Seconds, 1e-6)
	})
}
