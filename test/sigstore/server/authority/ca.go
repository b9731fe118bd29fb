package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"

	"github.com/sigstore/fulcio/pkg/ca"
	"github.com/sigstore/fulcio/pkg/ca/baseca"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
)

// validity is that of the CA's own certificates: longer than any stack runs.
const validity = 30 * 24 * time.Hour

// NewCA makes a CA as the public one is: a root, and an intermediate that signs. The
// chain begins with the intermediate.
func NewCA() (ca.CertificateAuthority, []*x509.Certificate, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generating key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generating key: %w", err)
	}
	root, err := certify("sigstore of one machine", nil, rootKey.Public(), rootKey)
	if err != nil {
		return nil, nil, err
	}
	intermediate, err := certify("sigstore of one machine, intermediate", root, key.Public(), rootKey)
	if err != nil {
		return nil, nil, err
	}
	chain := []*x509.Certificate{intermediate, root}
	return &baseca.BaseCA{SignerWithChain: &ca.SignerCerts{Certs: chain, Signer: key}}, chain, nil
}

// certify makes the certificate of a CA, of a root when there is no parent.
func certify(name string, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	serial, err := cryptoutils.GenerateSerialNumber()
	if err != nil {
		return nil, fmt.Errorf("generating serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"stagecrew tests"}},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(validity),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, MaxPathLen: 1,
	}
	if parent != nil {
		template.MaxPathLen, template.MaxPathLenZero = 0, true
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	} else {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("signing certificate of %q: %w", name, err)
	}
	return x509.ParseCertificate(der)
}
