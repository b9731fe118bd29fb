// Package ctlog is a log of certificates: TesseraCT on files. Its promises (SCTs)
// stand in the certificates that Fulcio makes.
package ctlog

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/transparency-dev/tessera"
	files "github.com/transparency-dev/tessera/storage/posix"
	"github.com/transparency-dev/tesseract"
	"github.com/transparency-dev/tesseract/storage"
	"github.com/transparency-dev/tesseract/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

const (
	// deadline is that of one request.
	deadline = 10 * time.Second
	maxChain = 512 << 10 // bytes
	// A tenth of TesseraCT's: a promise waits for nothing but its batch.
	batchAge   = 25 * time.Millisecond
	checkpoint = 500 * time.Millisecond
)

// Log takes certificates at /ct/v1/add-chain and /ct/v1/add-pre-chain.
type Log struct {
	http.Handler
	PublicKey *ecdsa.PublicKey
	close     func(context.Context) error
}

// New makes a log in a new folder for the certificates of the root; origin is the
// name of the host that it is reached by.
func New(ctx context.Context, dir, origin string, root *x509.Certificate) (*Log, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating key: %w", err)
	}
	roots, err := cryptoutils.MarshalCertificateToPEM(root)
	if err != nil {
		return nil, fmt.Errorf("writing root: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	rootsFile := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(rootsFile, roots, 0o600); err != nil {
		return nil, err
	}
	log := &Log{PublicKey: &key.PublicKey}
	log.Handler, err = tesseract.NewLogHandler(ctx, origin, key,
		tesseract.ChainValidationConfig{RootsPEMFile: rootsFile, ExtKeyUsages: "CodeSigning"},
		func(ctx context.Context, signer note.Signer) (*storage.CTStorage, error) {
			return log.store(ctx, dir, signer)
		},
		deadline, false, "", tesseract.LogHandlerOpts{MaxCertChainBytes: maxChain, DedupRL: -1})
	if err != nil {
		return nil, fmt.Errorf("starting log of certificates: %w", err)
	}
	return log, nil
}

func (l *Log) store(ctx context.Context, dir string, signer note.Signer) (*storage.CTStorage, error) {
	driver, err := files.New(ctx, files.Config{Path: dir})
	if err != nil {
		return nil, err
	}
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().WithCheckpointSigner(signer).WithCTLayout().
		WithBatching(tessera.DefaultBatchMaxSize, batchAge).WithCheckpointInterval(checkpoint))
	if err != nil {
		return nil, err
	}
	l.close = shutdown
	issuers, err := posix.NewIssuerStorage(ctx, dir)
	if err != nil {
		return nil, err
	}
	return storage.NewCTStorage(ctx, &storage.CTStorageOptions{Appender: appender, Reader: reader, IssuerStorage: issuers})
}

// Close writes what was promised.
func (l *Log) Close(ctx context.Context) error { return l.close(ctx) }
