// Package rekor is Rekor v2 (rekor-tiles) on files. Its server is reachable as a
// command only: so it runs in a process of its own, of this very program.
package rekor

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix/app"
	"github.com/sigstore/rekor-tiles/v2/pkg/note"
)

const (
	argument = "rekor-server"
	// startup is how long it may take to answer; half a second is common.
	startup  = 30 * time.Second
	shutdown = 10 * time.Second
)

// ServeIfAsked runs the server, and never returns, in the process that Start made.
// It stands first in main, and in TestMain.
func ServeIfAsked() {
	if len(os.Args) < 2 || os.Args[1] != argument {
		return
	}
	os.Args = os.Args[1:]
	app.Execute()
	os.Exit(0)
}

// Log is a running server.
type Log struct {
	// URL is where it listens, ID the one that entries name.
	URL       string
	ID        []byte
	PublicKey ed25519.PublicKey

	command *exec.Cmd
	ended   chan struct{}
	words   string // a file
}

// Start runs the server in a new folder, for checkpoints of the origin, and waits
// until it answers.
func Start(ctx context.Context, dir, origin string) (*Log, error) {
	public, keyFile, err := newKey(dir)
	if err != nil {
		return nil, err
	}
	_, id, err := note.KeyHash(origin, public)
	if err != nil {
		return nil, fmt.Errorf("naming log %q: %w", origin, err)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	l := &Log{URL: "http://127.0.0.1:" + ports[0], ID: id, PublicKey: public, ended: make(chan struct{}), words: filepath.Join(dir, "server.log")}
	words, err := os.Create(l.words)
	if err != nil {
		return nil, err
	}
	defer words.Close()
	l.command = exec.Command(program, argument, "serve", "--hostname", origin, "--http-port", ports[0], "--grpc-port", ports[1], "--http-metrics-port", ports[2],
		"--storage-dir", filepath.Join(dir, "tiles"), "--signer-filepath", keyFile, "--checkpoint-interval", "500ms", "--batch-max-age", "50ms")
	l.command.Stdout, l.command.Stderr = words, words
	// A group of its own: an interrupt in a terminal is for the program that started it.
	l.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := l.command.Start(); err != nil {
		return nil, fmt.Errorf("starting Rekor: %w", err)
	}
	go func() {
		defer close(l.ended)
		_ = l.command.Wait()
	}()
	if err := l.await(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Log) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startup)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.URL+"/healthz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-l.ended:
			words, err := os.ReadFile(l.words)
			return errors.Join(fmt.Errorf("starting Rekor: it ended: %s", words), err)
		case <-ctx.Done():
			return fmt.Errorf("waiting for Rekor to answer: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Close ends the server, and gives it time to write what it has.
func (l *Log) Close() error {
	_ = l.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-l.ended:
		return nil
	case <-time.After(shutdown):
		_ = l.command.Process.Kill()
		<-l.ended
		return fmt.Errorf("stopping Rekor: it did not end within %s", shutdown)
	}
}

func newKey(dir string) (ed25519.PublicKey, string, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", fmt.Errorf("generating key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, "", fmt.Errorf("writing key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, "key.pem")
	return public, path, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// freePorts of the loopback interface: Rekor does not choose one itself.
func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding free port: %w", err)
		}
		defer listener.Close()
		ports = append(ports, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	}
	return ports, nil
}
