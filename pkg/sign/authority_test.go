package sign

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	ct "github.com/google/certificate-transparency-go"
	"github.com/google/certificate-transparency-go/tls"
	ctx509 "github.com/google/certificate-transparency-go/x509"
	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature/payload"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	workflow = "https://github.com/org/repo/.github/workflows/release.yml@refs/tags/v1"
	issuer   = "https://token.actions.githubusercontent.com"
)

// authority is a whole Sigstore in small: a certificate authority, a log of its
// certificates and a log of signatures. It shares no code with the verification.
type authority struct {
	t                *testing.T
	ca, ctLog, rekor *ecdsa.PrivateKey
	caCert           *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	for _, key := range []**ecdsa.PrivateKey{&a.ca, &a.ctLog, &a.rekor} {
		fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		*key = fresh
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		BasicConstraintsValid: true, IsCA: true,
	}
	a.caCert = a.certify(template, template, a.ca.Public())
	return a
}

func (a *authority) certify(template, parent *x509.Certificate, public any) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.ca)
	require.NoError(a.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return cert
}

func logID(t *testing.T, key *ecdsa.PrivateKey) [32]byte {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return sha256.Sum256(der)
}

// trustedRoot writes the file that a verifier is given.
func (a *authority) trustedRoot() string {
	start := time.Now().Add(-time.Hour)
	logs := func(key *ecdsa.PrivateKey) map[string]*root.TransparencyLog {
		id := logID(a.t, key)
		return map[string]*root.TransparencyLog{hex.EncodeToString(id[:]): {
			BaseURL: "https://log.test", ID: id[:], PublicKey: key.Public(), ValidityPeriodStart: start,
			HashFunc: 5, SignatureHashFunc: 5, // SHA-256
		}}
	}
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{Root: a.caCert, URI: "https://ca.test", ValidityPeriodStart: start}},
		logs(a.ctLog), nil, logs(a.rekor))
	require.NoError(a.t, err)
	text, err := trusted.MarshalJSON()
	require.NoError(a.t, err)
	file := filepath.Join(a.t.TempDir(), "trusted_root.json")
	require.NoError(a.t, os.WriteFile(file, text, 0o600))
	return file
}

// leaf is a certificate for the workflow, with the promise of the certificate log
// in it where promised.
func (a *authority) leaf(public any, promised bool) *x509.Certificate {
	san, err := url.Parse(workflow)
	require.NoError(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), URIs: []*url.URL{san},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(9 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}, Value: []byte(issuer)}},
	}
	bare := a.certify(template, a.caCert, public)
	if !promised {
		return bare
	}
	now := uint64(time.Now().UnixMilli())
	promise := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, LogID: ct.LogID{KeyID: logID(a.t, a.ctLog)}, Timestamp: now}
	signed, err := ct.SerializeSCTSignatureInput(promise, ct.LogEntry{Leaf: ct.MerkleTreeLeaf{
		Version: ct.V1, LeafType: ct.TimestampedEntryLeafType,
		TimestampedEntry: &ct.TimestampedEntry{Timestamp: now, EntryType: ct.PrecertLogEntryType, PrecertEntry: &ct.PreCert{
			IssuerKeyHash: sha256.Sum256(a.caCert.RawSubjectPublicKeyInfo), TBSCertificate: bare.RawTBSCertificate,
		}},
	}})
	require.NoError(a.t, err)
	signature, err := tls.CreateSignature(*a.ctLog, tls.SHA256, signed)
	require.NoError(a.t, err)
	promise.Signature = ct.DigitallySigned(signature)
	one, err := tls.Marshal(promise)
	require.NoError(a.t, err)
	list, err := tls.Marshal(ctx509.SignedCertificateTimestampList{SCTList: []ctx509.SerializedSCT{{Val: one}}})
	require.NoError(a.t, err)
	value, err := asn1.Marshal(list)
	require.NoError(a.t, err)
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: value})
	return a.certify(template, a.caCert, public)
}

// logged is the proof that the signature log has an entry.
func (a *authority) logged(text, signed, certificate []byte) *bundle.RekorBundle {
	sum := sha256.Sum256(text)
	body, err := json.Marshal(map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
		"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}},
		"signature": map[string]any{"content": signed, "publicKey": map[string]any{"content": certificate}},
	}})
	require.NoError(a.t, err)
	id := logID(a.t, a.rekor)
	entry := bundle.RekorPayload{Body: base64.StdEncoding.EncodeToString(body), IntegratedTime: time.Now().Unix(), LogIndex: 7, LogID: hex.EncodeToString(id[:])}
	promise, err := json.Marshal(map[string]any{"body": entry.Body, "integratedTime": entry.IntegratedTime, "logIndex": entry.LogIndex, "logID": entry.LogID})
	require.NoError(a.t, err)
	digest := sha256.Sum256(promise)
	timestamp, err := ecdsa.SignASN1(rand.Reader, a.rekor, digest[:])
	require.NoError(a.t, err)
	return &bundle.RekorBundle{SignedEntryTimestamp: timestamp, Payload: entry}
}

// how a keyless signature is spoiled.
type spoiled struct{ noPromise, noLog, oddLog bool }

func (a *authority) sign(image record.Image, how spoiled) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	store, err := openStore(a.t.Context(), image, brisk, slog.New(slog.DiscardHandler))
	require.NoError(a.t, err)
	text, err := payload.Cosign{Image: store.digest}.MarshalJSON()
	require.NoError(a.t, err)
	digest := sha256.Sum256(text)
	signed, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	require.NoError(a.t, err)
	encode := func(c *x509.Certificate) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	leaf := encode(a.leaf(key.Public(), !how.noPromise))
	extras := []static.Option{static.WithCertChain(leaf, encode(a.caCert))}
	entry := a.logged(text, signed, leaf)
	if how.oddLog {
		entry.Payload.Body = 7
	}
	if !how.noLog {
		extras = append(extras, static.WithBundle(entry))
	}
	signature, err := static.NewSignature(text, base64.StdEncoding.EncodeToString(signed), extras...)
	require.NoError(a.t, err)
	entity, err := mutate.AttachSignatureToEntity(ociremote.SignedUnknown(store.digest), signature)
	require.NoError(a.t, err)
	require.NoError(a.t, ociremote.WriteSignatures(store.digest.Repository, entity))
}
