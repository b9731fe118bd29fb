package stack

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	trust "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/stagecrew/stagecrew/test/sigstore/server/issuer"
	"github.com/stagecrew/stagecrew/test/sigstore/server/stamps"
)

// Env is what clients need to know, as KEY=VALUE: the variables that GitHub gives a
// job with the permission `id-token: write`, addresses, and files.
func (s *Stack) Env() []string {
	env := []string{
		"ACTIONS_ID_TOKEN_REQUEST_URL=" + s.Issuer.RequestURL(), "ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + s.Issuer.Bearer,
		"ISSUER_URL=" + s.Issuer.URL, "IDENTITY=" + issuer.Identity(),
		"FULCIO_URL=" + s.URLs["fulcio"], "TIMESTAMP_URL=" + s.URLs["stamps"] + stamps.Path, "CONTROL_URL=" + s.URLs["control"],
		"TRUSTED_ROOT=" + s.path(trustedRoot), "SIGNING_CONFIG=" + s.path(signingConfig),
		"FULCIO_ROOT=" + s.path(fulcioRoot), "FULCIO_INTERMEDIATE=" + s.path(fulcioIntermediate), "TIMESTAMP_CHAIN=" + s.path(timestampChain),
	}
	if s.rekor != nil {
		env = append(env, "REKOR_URL="+s.URLs["rekor"])
	}
	if s.ctlog != nil {
		env = append(env, "CTLOG_URL="+s.URLs["ctlog"], "CTLOG_KEY="+s.path(ctlogKey))
	}
	return env
}

// The files of the stack's folder. The certificates and the key are for cosign's
// legacy format, which takes no trusted root.
const (
	trustedRoot        = "trusted_root.json"
	signingConfig      = "signing_config.json"
	fulcioRoot         = "fulcio_root.pem"
	fulcioIntermediate = "fulcio_intermediate.pem"
	timestampChain     = "timestamp_chain.pem"
	ctlogKey           = "ctlog.pub"
	environment        = "env"
)

func (s *Stack) path(name string) string { return filepath.Join(s.options.Dir, name) }

func (s *Stack) write(context.Context) error {
	files := map[string]func() ([]byte, error){
		trustedRoot: s.trustedRoot, signingConfig: s.signingConfig,
		fulcioRoot:         func() ([]byte, error) { return cryptoutils.MarshalCertificatesToPEM(s.ca[1:]) },
		fulcioIntermediate: func() ([]byte, error) { return cryptoutils.MarshalCertificatesToPEM(s.ca[:1]) },
		timestampChain:     func() ([]byte, error) { return cryptoutils.MarshalCertificatesToPEM(s.tsa) },
		environment:        func() ([]byte, error) { return []byte(strings.Join(s.Env(), "\n") + "\n"), nil },
	}
	if s.ctlog != nil {
		files[ctlogKey] = func() ([]byte, error) { return cryptoutils.MarshalPublicKeyToPEM(s.ctlog.PublicKey) }
	}
	for name, make := range files {
		text, err := make()
		if err != nil {
			return fmt.Errorf("making %q: %w", name, err)
		}
		if err := os.WriteFile(s.path(name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// trustedRoot names exactly the authorities that run.
func (s *Stack) trustedRoot() ([]byte, error) {
	since := time.Now().Add(-time.Minute)
	ca, tsa := len(s.ca)-1, len(s.tsa)-1
	certificates, logs := map[string]*root.TransparencyLog{}, map[string]*root.TransparencyLog{}
	if s.ctlog != nil {
		der, err := x509.MarshalPKIXPublicKey(s.ctlog.PublicKey)
		if err != nil {
			return nil, err
		}
		id := sha256.Sum256(der)
		add(certificates, s.URLs["ctlog"], id[:], s.ctlog.PublicKey, since)
	}
	if s.rekor != nil {
		add(logs, s.URLs["rekor"], s.rekor.ID, s.rekor.PublicKey, since)
	}
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{Root: s.ca[ca], Intermediates: s.ca[:ca], URI: s.URLs["fulcio"], ValidityPeriodStart: since}},
		certificates,
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{Leaf: s.tsa[0], Intermediates: s.tsa[1:tsa], Root: s.tsa[tsa], URI: s.URLs["stamps"], ValidityPeriodStart: since}},
		logs)
	if err != nil {
		return nil, err
	}
	return trusted.MarshalJSON()
}

func add(logs map[string]*root.TransparencyLog, url string, id []byte, key crypto.PublicKey, since time.Time) {
	logs[hex.EncodeToString(id)] = &root.TransparencyLog{
		BaseURL: url, ID: id, PublicKey: key, HashFunc: crypto.SHA256, SignatureHashFunc: crypto.SHA256, ValidityPeriodStart: since,
	}
}

// signingConfig tells clients where to ask.
func (s *Stack) signingConfig() ([]byte, error) {
	one := func(url string, version uint32) []root.Service {
		return []root.Service{{URL: url, MajorAPIVersion: version, ValidityPeriodStart: time.Now().Add(-time.Minute), Operator: "this machine"}}
	}
	any := root.ServiceConfiguration{Selector: trust.ServiceSelector_ANY}
	var logs []root.Service
	if s.rekor != nil {
		logs = one(s.URLs["rekor"], 2)
	}
	config, err := root.NewSigningConfig(root.SigningConfigMediaType02, one(s.URLs["fulcio"], 1), one(s.Issuer.URL, 1), logs, any, one(s.URLs["stamps"]+stamps.Path, 1), any)
	if err != nil {
		return nil, err
	}
	return config.MarshalJSON()
}
