package sigstore

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/stretchr/testify/require"
)

// Sigstore is a running one. With Log, every signature also has to stand in the
// transparency log; without, a timestamp dates it.
type Sigstore struct {
	Issuer *Issuer
	Fulcio *Service
	Stamps *Service
	Log    *Service // nil without one
	// TrustedRoot and SigningConfig are the files that clients are given.
	TrustedRoot, SigningConfig string
	// FulcioChain and StampsChain are PEM files, for cosign's legacy format.
	FulcioChain, StampsChain string
}

// Service is one server, behind a proxy that can be out of order.
type Service struct {
	URL   string
	fails atomic.Int64
}

// Fail makes the next n requests fail with 503, as in an outage.
func (s *Service) Fail(n int) { s.fails.Store(int64(n)) }

// Start runs the servers, whose programs lie in the folder tools, until the test
// ends.
func Start(t *testing.T, tools string, withLog bool) *Sigstore {
	t.Helper()
	s := &Sigstore{Issuer: newIssuer(t)}
	dir := t.TempDir()
	authority := s.startFulcio(t, tools, dir)
	stamps := s.startStamps(t, tools, dir)
	logs := map[string]*root.TransparencyLog{}
	if withLog {
		logs = s.startLog(t, tools, dir)
	}
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, []root.CertificateAuthority{authority}, nil, []root.TimestampingAuthority{stamps}, logs)
	require.NoError(t, err)
	text, err := trusted.MarshalJSON()
	require.NoError(t, err)
	s.TrustedRoot = write(t, dir, "trusted_root.json", text)
	s.SigningConfig = write(t, dir, "signing_config.json", s.config(t))
	return s
}

func (s *Sigstore) config(t *testing.T) []byte {
	one := func(address string, version uint32) []root.Service {
		return []root.Service{{URL: address, MajorAPIVersion: version, ValidityPeriodStart: time.Now().Add(-time.Hour), Operator: "test"}}
	}
	any := root.ServiceConfiguration{Selector: 1} // one of them
	var logs []root.Service
	if s.Log != nil {
		logs = one(s.Log.URL, 2)
	}
	config, err := root.NewSigningConfig(root.SigningConfigMediaType02, one(s.Fulcio.URL, 1), nil, logs, any, one(s.Stamps.URL+"/api/v1/timestamp", 1), any)
	require.NoError(t, err)
	text, err := config.MarshalJSON()
	require.NoError(t, err)
	return text
}

// fulcioConfig is the part of the public Fulcio's configuration that is about
// GitHub, with another issuer.
const fulcioConfig = `
oidc-issuers:
  %[1]s:
    issuer-url: %[1]s
    client-id: sigstore
    type: ci-provider
    ci-provider: github-workflow
ci-issuer-metadata:
  github-workflow:
    default-template-values: {url: "https://github.com", environment: ""}
    extension-templates:
      github-workflow-trigger: event_name
      github-workflow-sha: sha
      github-workflow-name: workflow
      github-workflow-repository: repository
      github-workflow-ref: ref
      build-signer-uri: "{{ .url }}/{{ .job_workflow_ref }}"
      build-signer-digest: job_workflow_sha
      runner-environment: runner_environment
      source-repository-uri: "{{ .url }}/{{ .repository }}"
      source-repository-digest: sha
      source-repository-ref: ref
      source-repository-identifier: repository_id
      source-repository-owner-uri: "{{ .url }}/{{ .repository_owner }}"
      source-repository-owner-identifier: repository_owner_id
      build-config-uri: "{{ .url }}/{{ .workflow_ref }}"
      build-config-digest: workflow_sha
      build-trigger: event_name
      run-invocation-uri: "{{ .url }}/{{ .repository }}/actions/runs/{{ .run_id }}/attempts/{{ .run_attempt }}"
      source-repository-visibility-at-signing: repository_visibility
    subject-alternative-name-template: "{{ .url }}/{{ .job_workflow_ref }}"
`

func (s *Sigstore) startFulcio(t *testing.T, tools, dir string) root.CertificateAuthority {
	port := freePort(t)
	start(t, dir, filepath.Join(tools, "fulcio"), "serve", "--ca", "ephemeralca", "--ct-log-url=", "--config-path", write(t, dir, "fulcio.yaml", fmt.Appendf(nil, fulcioConfig, s.Issuer.URL)),
		"--host", "127.0.0.1", "--port", port, "--grpc-host", "127.0.0.1", "--grpc-port", freePort(t), "--metrics-port", freePort(t),
		"--legacy-unix-domain-socket", filepath.Join(dir, "fulcio.socket"))
	s.Fulcio = front(t, port)
	var bundle struct {
		Chains []struct{ Certificates []string }
	}
	require.NoError(t, json.Unmarshal(get(t, s.Fulcio.URL+"/api/v2/trustBundle"), &bundle))
	require.Len(t, bundle.Chains, 1)
	s.FulcioChain = write(t, dir, "fulcio-chain.pem", []byte(bundle.Chains[0].Certificates[0]))
	chain := certificates(t, []byte(bundle.Chains[0].Certificates[0]))
	return &root.FulcioCertificateAuthority{Root: chain[len(chain)-1], URI: s.Fulcio.URL, ValidityPeriodStart: time.Now().Add(-time.Hour)}
}

func (s *Sigstore) startStamps(t *testing.T, tools, dir string) root.TimestampingAuthority {
	port := freePort(t)
	start(t, dir, filepath.Join(tools, "timestamp-server"), "serve", "--host", "127.0.0.1", "--port", port, "--timestamp-signer", "memory", "--disable-ntp-monitoring")
	s.Stamps = front(t, port)
	text := get(t, s.Stamps.URL+"/api/v1/timestamp/certchain")
	s.StampsChain = write(t, dir, "stamps-chain.pem", text)
	chain := certificates(t, text)
	last := len(chain) - 1
	return &root.SigstoreTimestampingAuthority{Leaf: chain[0], Intermediates: chain[1:last], Root: chain[last], URI: s.Stamps.URL, ValidityPeriodStart: time.Now().Add(-time.Hour)}
}

func (s *Sigstore) startLog(t *testing.T, tools, dir string) map[string]*root.TransparencyLog {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	key := write(t, dir, "rekor.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	port := freePort(t)
	start(t, dir, filepath.Join(tools, "rekor-server"), "serve", "--hostname", "127.0.0.1", "--http-port", port, "--grpc-port", freePort(t), "--http-metrics-port", freePort(t),
		"--storage-dir", filepath.Join(dir, "rekor"), "--signer-filepath", key, "--checkpoint-interval", "500ms", "--batch-max-age", "100ms")
	s.Log = front(t, port)
	get(t, s.Log.URL+"/healthz")
	_, id, err := note.KeyHash("127.0.0.1", public)
	require.NoError(t, err)
	return map[string]*root.TransparencyLog{hex.EncodeToString(id): {
		BaseURL: s.Log.URL, ID: id, PublicKey: public, ValidityPeriodStart: time.Now().Add(-time.Hour),
		HashFunc: crypto.SHA256, SignatureHashFunc: crypto.SHA256,
	}}
}

// front is a proxy before the server on the port; it waits until the server answers.
func front(t *testing.T, port string) *Service {
	s := &Service{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "127.0.0.1:" + port})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.fails.Add(-1) >= 0 {
			http.Error(w, "out of order", http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	require.Eventually(t, func() bool {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		return connection.Close() == nil
	}, time.Minute, 50*time.Millisecond, "the server on port %s does not listen", port)
	return s
}

// start runs a server until the test ends; its last words are logged when the test
// fails.
func start(t *testing.T, dir, program string, args ...string) {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &words, &words, dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start(), "make test-sigstore installs the programs")
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(program), words.Bytes()[max(0, words.Len()-4000):])
		}
	})
}

func get(t *testing.T, address string) []byte {
	var text []byte
	require.Eventually(t, func() bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			return false
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		text, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
		return err == nil && response.StatusCode == http.StatusOK
	}, time.Minute, 100*time.Millisecond, "%s does not answer", address)
	return text
}

func certificates(t *testing.T, text []byte) []*x509.Certificate {
	var all []*x509.Certificate
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			require.NotEmpty(t, all)
			return all
		}
		one, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		all, text = append(all, one), rest
	}
}

func freePort(t *testing.T) string {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

func write(t *testing.T, dir, name string, text []byte) string {
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}
