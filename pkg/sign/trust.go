package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// trust is whom a verification trusts.
type trust struct {
	name      string // the identity or "key sha256:…"; several keys with "or" between them
	issuer    string // of the identity
	verifiers []verifier
	who       verify.PolicyOption
	key       bool
}

// verifier is one key, or all certificates, under the name that messages have for it.
type verifier struct {
	name string
	*verify.Verifier
}

// names reports whether one of the trusted keys has the name.
func (t *trust) names(key string) bool {
	return slices.ContainsFunc(t.verifiers, func(v verifier) bool { return v.name == key })
}

// trustKeys trusts each of some public keys. A key needs no transparency log and no
// timestamp: nothing about it expires.
func trustKeys(keys ...signature.Verifier) (*trust, error) {
	t := &trust{who: verify.WithKey(), key: true}
	var names []string
	for _, key := range keys {
		public, err := key.PublicKey()
		if err != nil {
			return nil, fmt.Errorf("taking the public key: %w", err)
		}
		name, err := identityOf(public)
		if err != nil {
			return nil, err
		}
		always := root.NewExpiringKey(key, time.Time{}, time.Time{})
		material := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return always, nil })
		one, err := verify.NewVerifier(material, verify.WithNoObserverTimestamps())
		if err != nil {
			return nil, fmt.Errorf("preparing the verification: %w", err)
		}
		t.verifiers = append(t.verifiers, verifier{name, one})
		names = append(names, name)
	}
	t.name = strings.Join(names, " or ")
	return t, nil
}

// identity is whom certificates must name: exactly, or by a pattern for the whole.
type identity struct{ san, pattern, issuer string }

func (i identity) String() string {
	if i.pattern != "" {
		return "matching " + i.pattern
	}
	return i.san
}

// trustIdentity trusts certificates of one identity that the roots vouch for, all
// checked offline: the certificate; that it stands in a certificate transparency
// log, when the roots name one; that the signature stands in a transparency log,
// when the roots name one; and a time from the log or a timestamp authority.
func trustIdentity(roots root.TrustedMaterial, who identity) (*trust, error) {
	checks := []verify.VerifierOption{verify.WithObserverTimestamps(1)}
	if len(roots.CTLogs()) > 0 {
		checks = append(checks, verify.WithSignedCertificateTimestamps(1))
	}
	if len(roots.RekorLogs()) > 0 {
		checks = append(checks, verify.WithTransparencyLog(1))
	}
	one, err := verify.NewVerifier(roots, checks...)
	if err != nil {
		return nil, fmt.Errorf("preparing the verification: %w", err)
	}
	named, err := verify.NewShortCertificateIdentity(who.issuer, "", who.san, who.pattern)
	if err != nil {
		return nil, record.BadInput("sign/options", "verifying by identity %q of issuer %q: %w", who, who.issuer, err)
	}
	return &trust{name: who.String(), issuer: who.issuer, verifiers: []verifier{{who.String(), one}}, who: verify.WithCertificateIdentity(named)}, nil
}

// check gives what the entry says when it is signed, in order, by who.
func (t *trust) check(e entry, who verify.PolicyOption) (statement, error) {
	said, err := e.statement()
	if err != nil {
		return statement{}, err
	}
	var result *verify.VerificationResult
	for _, v := range t.verifiers {
		// What an envelope is about is compared by the caller, so that the message can say it.
		artifact := verify.WithoutArtifactUnsafe()
		if e.message != nil {
			artifact = verify.WithArtifact(bytes.NewReader(e.message))
		}
		if result, err = v.Verify(e.entity(), verify.NewPolicy(artifact, who)); err == nil {
			if t.key {
				said.by = v.name
			}
			break
		}
	}
	if err != nil {
		return statement{}, err
	}
	if result.Signature != nil && result.Signature.Certificate != nil {
		said.by = result.Signature.Certificate.SubjectAlternativeName
		said.repository = result.Signature.Certificate.SourceRepositoryURI
	}
	return said, nil
}

// anchored makes a pattern match whole identities only.
func anchored(pattern string) (string, error) {
	if pattern == "" {
		return "", nil
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return "", err
	}
	return "^(?:" + pattern + ")$", nil
}

func trustedRoot(ctx context.Context, file string) (root.TrustedMaterial, error) {
	if file == "" {
		return publicTrustedRoot(ctx)
	}
	text, err := files.Read(file, maxTrustedRootSize)
	if err != nil {
		return nil, record.BadInput("sign/trusted-root", "reading the trusted root: %w", err)
	}
	material, err := root.NewTrustedRootFromJSON(text)
	if err == nil {
		err = complete(material)
	}
	if err != nil {
		return nil, record.BadInput("sign/trusted-root", "reading the trusted root %q: %w", file, shown(err))
	}
	return material, nil
}

// complete refuses roots with which no keyless signature could ever be verified.
func complete(roots root.TrustedMaterial) error {
	var missing []string
	if len(roots.FulcioCertificateAuthorities()) == 0 {
		missing = append(missing, "no certificate authority")
	}
	if len(roots.RekorLogs()) == 0 && len(roots.TimestampingAuthorities()) == 0 {
		missing = append(missing, "neither a transparency log nor a timestamp authority")
	}
	if missing == nil {
		return nil
	}
	return errors.New("it names " + strings.Join(missing, " and "))
}

// publicRoots says where the public Sigstore has its roots, and where they are kept between
// runs: nowhere, if the home folder is one in which nothing can be written, as in a pod with
// a root file system of its image (sigstore/cosign#1210, kyverno/kyverno#3266,
// kubernetes-sigs/security-profiles-operator#3162). They are fetched in each run anyway.
func publicRoots() *tuf.Options {
	o := tuf.DefaultOptions()
	for _, folder := range []string{o.CachePath, filepath.Join(o.CachePath, tuf.URLToPath(o.RepositoryBaseURL))} {
		if !writable(folder) {
			return o.WithDisableLocalCache()
		}
	}
	return o
}

// writable reports whether a folder is there, or can be made, and takes files.
func writable(folder string) bool {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return false
	}
	file, err := os.CreateTemp(folder, ".stagecrew-*")
	if err != nil {
		return false
	}
	return errors.Join(file.Close(), os.Remove(file.Name())) == nil
}

// publicTrustedRoot fetches the roots of the public Sigstore, checked against the
// root of trust that is built in. The library takes no context.
func publicTrustedRoot(ctx context.Context) (root.TrustedMaterial, error) {
	type answer struct {
		material *root.TrustedRoot
		err      error
	}
	got := make(chan answer, 1)
	go func() {
		var a answer
		a.err = record.Guard(func() (err error) { a.material, err = root.FetchTrustedRootWithOptions(publicRoots()); return err })
		got <- a
	}()
	var a answer
	select {
	case a = <-got:
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	if a.err != nil {
		return nil, record.Unavailable("sign/trusted-root-unavailable",
			"fetching the roots of the public Sigstore: %w; without access to it, give a trusted_root.json", shown(a.err))
	}
	return a.material, nil
}
