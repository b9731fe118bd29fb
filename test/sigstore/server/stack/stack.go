// Package stack starts a whole Sigstore on the loopback interface and writes down
// what clients need to use and to trust it.
package stack

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"time"

	ctclient "github.com/google/certificate-transparency-go/client"
	"github.com/google/certificate-transparency-go/jsonclient"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/stagecrew/stagecrew/test/sigstore/server/authority"
	"github.com/stagecrew/stagecrew/test/sigstore/server/ctlog"
	"github.com/stagecrew/stagecrew/test/sigstore/server/issuer"
	"github.com/stagecrew/stagecrew/test/sigstore/server/outage"
	"github.com/stagecrew/stagecrew/test/sigstore/server/rekor"
	"github.com/stagecrew/stagecrew/test/sigstore/server/stamps"
)

// host is where everything listens, and so the origin of the logs.
const host = "127.0.0.1"

const timeout = 30 * time.Second

// Options of a stack; zero is the whole of it.
type Options struct {
	// Dir is an empty folder for the logs and for the files.
	Dir string
	// WithoutRekor: timestamps alone date a signature, as cosign's legacy format needs
	// it of a Sigstore with Rekor v2.
	WithoutRekor bool
	// WithoutCTLog: certificates carry no promise of a log.
	WithoutCTLog bool
}

// Stack is a running Sigstore. There is one to a process.
type Stack struct {
	Issuer *issuer.Issuer
	// URLs of the servers by name: issuer, fulcio, stamps, and where they run ctlog
	// and rekor; control is that of the gates.
	URLs map[string]string
	// Gates before the servers, by the same names.
	Gates outage.Control

	options  Options
	ca, tsa  []*x509.Certificate // chains, the root last
	ctlog    *ctlog.Log
	rekor    *rekor.Log
	closings []func(context.Context) error
}

// Start runs the servers until Close; the context is that of starting.
func Start(ctx context.Context, options Options) (*Stack, error) {
	s := &Stack{URLs: map[string]string{}, Gates: outage.Control{}, options: options}
	log, err := logTo(s.path("server.log"))
	if err != nil {
		return nil, err
	}
	s.closings = append(s.closings, func(context.Context) error { return log.Close() })
	// What was promised is still written after a signal ended the context.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.closings = append(s.closings, func(context.Context) error { stop(); return nil })
	for _, start := range []func(context.Context) error{s.startIssuer, s.startFulcio, s.startStamps, s.startRekor, s.startControl, s.write} {
		if err := errors.Join(ctx.Err(), start(running)); err != nil {
			return nil, errors.Join(err, s.Close(running))
		}
	}
	return s, nil
}

// Close ends what runs, the last first, within half a minute.
func (s *Stack) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var all error
	for i := len(s.closings) - 1; i >= 0; i-- {
		all = errors.Join(all, s.closings[i](ctx))
	}
	s.closings = nil
	return all
}

func (s *Stack) startIssuer(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", host+":0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	s.Issuer, err = issuer.New("http://" + listener.Addr().String())
	if err != nil {
		return errors.Join(fmt.Errorf("starting issuer: %w", err), listener.Close())
	}
	s.gate("issuer", listener, s.Issuer)
	return nil
}

func (s *Stack) startFulcio(ctx context.Context) error {
	ca, chain, err := authority.NewCA()
	if err != nil {
		return fmt.Errorf("making CA: %w", err)
	}
	s.ca = chain
	log, err := s.startCTLog(ctx)
	if err != nil {
		return err
	}
	handler, err := authority.Handler(ctx, ca, s.Issuer.URL, log)
	if err != nil {
		return err
	}
	return s.listen(ctx, "fulcio", handler)
}

func (s *Stack) startCTLog(ctx context.Context) (*ctclient.LogClient, error) {
	if s.options.WithoutCTLog {
		return nil, nil
	}
	var err error
	s.ctlog, err = ctlog.New(ctx, filepath.Join(s.options.Dir, "ctlog"), host, s.ca[len(s.ca)-1])
	if err != nil {
		return nil, err
	}
	s.closings = append(s.closings, s.ctlog.Close)
	if err := s.listen(ctx, "ctlog", s.ctlog); err != nil {
		return nil, err
	}
	public, err := cryptoutils.MarshalPublicKeyToPEM(s.ctlog.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("writing key: %w", err)
	}
	return ctclient.New(s.URLs["ctlog"], &http.Client{Timeout: timeout}, jsonclient.Options{PublicKey: string(public)})
}

func (s *Stack) startStamps(ctx context.Context) error {
	handler, chain, err := stamps.New()
	if err != nil {
		return err
	}
	s.tsa = chain
	return s.listen(ctx, "stamps", handler)
}

func (s *Stack) startRekor(ctx context.Context) error {
	if s.options.WithoutRekor {
		return nil
	}
	var err error
	s.rekor, err = rekor.Start(ctx, filepath.Join(s.options.Dir, "rekor"), host)
	if err != nil {
		return err
	}
	s.closings = append(s.closings, func(context.Context) error { return s.rekor.Close() })
	target, err := url.Parse(s.rekor.URL)
	if err != nil {
		return err
	}
	return s.listen(ctx, "rekor", httputil.NewSingleHostReverseProxy(target))
}

func (s *Stack) startControl(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", host+":0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	s.serve("control", listener, s.Gates)
	return nil
}

func (s *Stack) listen(ctx context.Context, name string, handler http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", host+":0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	s.gate(name, listener, handler)
	return nil
}

func (s *Stack) gate(name string, listener net.Listener, handler http.Handler) {
	s.Gates[name] = outage.NewGate(handler)
	s.serve(name, listener, s.Gates[name])
}

func (s *Stack) serve(name string, listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: timeout}
	s.URLs[name] = "http://" + listener.Addr().String()
	s.closings = append(s.closings, server.Shutdown)
	go func() { _ = server.Serve(listener) }()
}
