package target

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"testing"
	"time"
)

// visitors ask for a page without end.
type visitors struct {
	stop func()
	done sync.WaitGroup

	mu       sync.Mutex
	requests int
	slowest  time.Duration
	failed   []string
	serials  map[string]bool // of the certificates that they were shown
}

// visit starts four of them, together about eight requests a second; two keep their
// connection, two make one for each request.
func (g *site) visit() *visitors {
	ctx, cancel := context.WithCancel(g.t.Context())
	v := &visitors{serials: map[string]bool{}}
	for i := range 4 {
		client := g.client(g.t)
		if transport, ok := client.Transport.(*http.Transport); ok {
			transport.DisableKeepAlives = i%2 == 0
		}
		v.done.Go(func() {
			for ctx.Err() == nil {
				v.once(client, "https://"+host+"/.backstage/health/v1/readiness")
				select {
				case <-ctx.Done():
				case <-time.After(500 * time.Millisecond):
				}
			}
		})
	}
	v.stop = func() { cancel(); v.done.Wait() }
	return v
}

func (v *visitors) once(client *http.Client, url string) {
	start := time.Now()
	answer, err := client.Get(url)
	problem := ""
	if err != nil {
		problem = err.Error()
	} else {
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			problem = answer.Status
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.requests++
	v.slowest = max(v.slowest, time.Since(start))
	if problem != "" {
		v.failed = append(v.failed, time.Now().UTC().Format(time.TimeOnly)+" "+problem)
	}
	if answer != nil && answer.TLS != nil {
		v.serials[answer.TLS.PeerCertificates[0].SerialNumber.String()] = true
	}
}

// hops are the parts of one request on a new connection.
type hops struct{ connect, handshake, firstByte, whole time.Duration }

func (s sandbox) hops(t *testing.T, url string) hops {
	t.Helper()
	var h hops
	var start, shaken, written time.Time
	trace := &httptrace.ClientTrace{
		ConnectDone:          func(string, string, error) { h.connect = time.Since(start) },
		TLSHandshakeStart:    func() { shaken = time.Now() },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { h.handshake = time.Since(shaken) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { written = time.Now() },
		GotFirstResponseByte: func() { h.firstByte = time.Since(written) },
	}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := s.client(t)
	start = time.Now()
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	h.whole = time.Since(start)
	return h
}

// crowd lets so many visitors ask ten times each, and gives the times of the answers,
// sorted, and how many were not 200.
func crowd(client *http.Client, url string, visitors int) (times []time.Duration, failed int) {
	const each = 10
	type answer struct {
		took time.Duration
		good bool
	}
	answers := make(chan answer, visitors*each)
	for range visitors {
		go func() {
			for range each {
				start := time.Now()
				status, _ := get(client, url)
				answers <- answer{time.Since(start), status == http.StatusOK}
			}
		}()
	}
	for range visitors * each {
		a := <-answers
		times = append(times, a.took)
		if !a.good {
			failed++
		}
	}
	slices.Sort(times)
	return times, failed
}

// statuses are the statuses of answers in their order.
func statuses(count map[int]int) []int { return slices.Sorted(maps.Keys(count)) }
