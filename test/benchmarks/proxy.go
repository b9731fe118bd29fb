package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// serve starts the proxy that counts what is sent to the registry. It listens on the
// address of this machine that the registry sees, which is the node's, too: the node
// takes the name of any registry for its own.
func (l *lab) serve(ctx context.Context) error {
	// A connection of UDP sends nothing; it only chooses the address.
	route, err := (&net.Dialer{}).DialContext(ctx, "udp", direct())
	if err != nil {
		return err
	}
	here, _, err := net.SplitHostPort(route.LocalAddr().String())
	if err = errors.Join(err, route.Close()); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(here, "0"))
	if err != nil {
		return err
	}
	l.registry = listener.Addr().String()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: counting(&url.URL{Scheme: "https", Host: direct()}, l.registry, &l.sent)}
	l.shut = func() { _ = server.Close() }
	go func() { _ = server.Serve(listener) }()
	return nil
}

// counting passes everything to a registry and adds up the bytes of the requests'
// bodies. The registry sends its clients on to the proxy, known as name.
func counting(registry *url.URL, name string, sent *atomic.Int64) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(registry) },
		ModifyResponse: func(r *http.Response) error {
			if location := r.Header.Get("Location"); location != "" {
				r.Header.Set("Location", strings.Replace(location, registry.Scheme+"://"+registry.Host, "http://"+name, 1))
			}
			return nil
		},
		FlushInterval: -1,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = &counted{r.Body, sent}
		proxy.ServeHTTP(w, r)
	})
}

type counted struct {
	io.ReadCloser
	to *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.to.Add(int64(n))
	return n, err
}
