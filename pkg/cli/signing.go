package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/report"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// maxPredicate bounds the file of an attestation: what can be verified again.
const maxPredicate = sign.MaxPredicate

// The attestations that need no file.
const (
	attestProvenance = "provenance"
	attestVerdict    = "verdict"
	attestNone       = "none"
)

// signOptions are those of every signature and attestation of this run.
func (s *session) signOptions() (sign.SignOptions, error) {
	key, text, err := s.keyOf("sign-key", s.SignKey)
	return sign.SignOptions{
		Image:    s.read().Image,
		Keychain: s.images(s.log).Keychain(),
		Insecure: s.InsecureRegistries,
		Key:      key,
		KeyPEM:   text,
		Password: s.SignPassword,
		IdentityToken: func(ctx context.Context) (string, error) {
			return s.actions.IdentityToken(ctx, "sigstore")
		},
		SigningConfig: s.SigningConfig,
		TrustedRoot:   s.TrustedRoot,
		Format:        s.SignFormat,
		Log:           s.log,
	}, err
}

// keyOf takes a key from the environment where env://NAME asks for it.
func (s *session) keyOf(setting, key string) (string, []byte, error) {
	name, found := strings.CutPrefix(key, "env://")
	if !found {
		return key, nil, nil
	}
	value := s.getenv(name)
	if value == "" {
		return "", nil, record.BadInput("config/invalid", "--%s %s: the environment has no %s", setting, key, name)
	}
	if setting == "sign-key" {
		s.withhold(value)
	}
	return "", []byte(value), nil
}

// canSign finds out before any work is done that nobody could sign its result.
func (s *session) canSign() error {
	if s.SignKey != "" {
		return nil
	}
	return s.actions.CanIdentify()
}

func (s *session) sign(ctx context.Context) error {
	if err := s.canSign(); err != nil {
		return err
	}
	return s.phase("sign", func() error {
		options, err := s.signOptions()
		if err != nil {
			return err
		}
		if options.Attestations, err = s.attestations(); err != nil {
			return err
		}
		signature, err := sign.Sign(ctx, options)
		if err == nil {
			s.log.Info("signed", "image", s.read().Image, "by", signature.Identity, "stored", signature.Stored)
		}
		return err
	})
}

// attestations are the claims that are signed with the image: those that --attest
// names or, without it, what this run knows.
func (s *session) attestations() ([]sign.Attestation, error) {
	wanted := s.Attest
	if len(wanted) == 0 {
		wanted = s.known()
	}
	var all []sign.Attestation
	for _, one := range wanted {
		kind, file, fromFile := strings.Cut(one, "=")
		if kind == attestNone || kind == attestVerdict && !fromFile {
			continue // the verdict is attested when it is known
		}
		made, err := s.attestation(kind, file, fromFile)
		if err != nil {
			return nil, record.BadInput("config/invalid", "--attest %s: %w", one, err)
		}
		all = append(all, made)
	}
	return all, nil
}

// wantsAttested reports whether the report of this kind is to be signed.
func (s *session) wantsAttested(kind string) bool {
	if kind == "" || s.name != "run" {
		return false
	}
	return len(s.Attest) == 0 && kind != "spdx" || slices.Contains(s.Attest, kind)
}

// knownKinds finds a kind of attestation that there is not.
func (s *session) knownKinds() error {
	for _, one := range s.Attest {
		kind, _, _ := strings.Cut(one, "=")
		if _, err := sign.PredicateType(kind); err != nil && kind != attestNone {
			return record.BadInput("config/invalid", "--attest: %w", err)
		}
	}
	return nil
}

// known are the kinds of attestations for which this run has what they claim.
func (s *session) known() []string {
	var kinds []string
	if s.actions.Source().Repository != "" && s.built {
		kinds = append(kinds, attestProvenance)
	}
	for kind := range s.documents {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

func (s *session) attestation(kind, file string, fromFile bool) (sign.Attestation, error) {
	predicateType, err := sign.PredicateType(kind)
	if err != nil {
		return sign.Attestation{}, err
	}
	if fromFile {
		text, err := readPredicate(file)
		return sign.Attestation{Type: predicateType, Predicate: text}, err
	}
	if kind == attestProvenance {
		return s.provenance()
	}
	if text, have := s.documents[kind]; have {
		return sign.Attestation{Type: predicateType, Predicate: text}, nil
	}
	return sign.Attestation{}, fmt.Errorf("this run has none: give its file, %s=FILE", kind)
}

// provenance says which workflow built the image from what source.
func (s *session) provenance() (sign.Attestation, error) {
	source := s.actions.Source()
	if source.Repository == "" {
		return sign.Attestation{}, fmt.Errorf("only a workflow of GitHub Actions can say where the image was built; give a file, %s=FILE", attestProvenance)
	}
	return sign.Provenance{
		Repository: source.Repository, Ref: source.Ref, Commit: source.Commit, Workflow: source.Workflow,
		Builder: source.Builder, Invocation: source.Invocation, Event: source.Event,
	}.Attestation()
}

func readPredicate(name string) (json.RawMessage, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxPredicate+1))
	if err == nil && len(text) > maxPredicate {
		err = fmt.Errorf("reading %q: it is larger than %d bytes", name, maxPredicate)
	}
	return text, err
}

// attestVerdict signs how the deploy ended. That this fails changes nothing about
// how it ended.
func (s *session) attestVerdict(ctx context.Context) {
	if !slices.Contains(s.Attest, attestVerdict) {
		return
	}
	err := s.phase("attest", func() error {
		options, err := s.signOptions()
		if err != nil {
			return err
		}
		document, err := report.Encode(s.hidden(s.read()))
		if err != nil {
			return err
		}
		options.Attestations = []sign.Attestation{{Type: sign.PredicateVerdict, Predicate: document}}
		_, err = sign.Attest(ctx, options)
		return err
	})
	if err != nil {
		s.log.Warn("the verdict is not attested", "because", err)
	}
}

func (s *session) verify(ctx context.Context) (record.Verified, error) {
	var verified record.Verified
	err := s.phase("verify", func() error {
		options, err := s.verifyOptions()
		if err != nil {
			return err
		}
		verified, err = sign.Verify(ctx, options)
		if err == nil && !verified.Unsafe() {
			s.log.Info("signature verified", "image", s.read().Image, "signed-by", verified.Identity())
		}
		return err
	})
	return verified, err
}

func (s *session) verifyOptions() (sign.VerifyOptions, error) {
	key, text, err := s.keyOf("verify-key", s.VerifyKey)
	if err != nil {
		return sign.VerifyOptions{}, err
	}
	policy := sign.Policy{MaxScanAge: s.MaxScanAge, Repository: s.VerifyRepository}
	for _, kind := range s.RequireAttestations {
		predicateType, err := sign.PredicateType(kind)
		if err != nil {
			return sign.VerifyOptions{}, record.BadInput("config/invalid", "--require-attestation: %w", err)
		}
		policy.Attestations = append(policy.Attestations, predicateType)
	}
	return sign.VerifyOptions{
		Image:               s.read().Image,
		Keychain:            s.images(s.log).Keychain(),
		Insecure:            s.InsecureRegistries,
		Key:                 key,
		KeyPEM:              text,
		Identity:            s.VerifyIdentity,
		IdentityPattern:     s.VerifyIdentityRegexp,
		Issuer:              s.VerifyIssuer,
		TrustedRoot:         s.TrustedRoot,
		Policy:              policy,
		AllowUnsignedUnsafe: s.AllowUnsignedUnsafe,
		Deploys:             s.name == "deploy" || s.name == "run",
		Log:                 s.log,
	}, nil
}
