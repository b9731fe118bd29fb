package pipeline

import (
	"context"
	"errors"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// keyStage looks whether the key can sign, before there is something to sign.
func keyStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	options, err := s.signOptions()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ inputs) (done, error) { return done{}, sign.Check(ctx, options) }, nil
}

// signOptions are those of every signature and attestation of this run. That
// nobody could sign its result is found out before any work is done.
func (s *slice) signOptions() (sign.SignOptions, error) {
	return s.kept.signOptions.of(s.readSignOptions)
}

func (s *slice) readSignOptions() (sign.SignOptions, error) {
	c := s.settings.Sign
	key, text, err := s.host.keyOf("sign-key", c.SignKey)
	options := sign.SignOptions{
		Registry: s.images(),
		Key:      key,
		KeyPEM:   text,
		Password: s.settings.SignPassword,
		IdentityToken: func(ctx context.Context) (string, error) {
			return s.host.Actions.IdentityToken(ctx, "sigstore")
		},
		SigningConfig: c.SigningConfig,
		TrustedRoot:   s.settings.TrustedRoot,
		Format:        c.SignFormat,
		Log:           s.host.Log,
	}
	_, filesErr := s.claimFiles()
	problems := []error{knownKinds(c.Attest), err, filesErr}
	if c.SignKey == "" {
		problems = append(problems, s.host.Actions.CanIdentify())
	}
	if err == nil {
		problems = append(problems, options.Validate())
		options, err = options.Read()
		problems = append(problems, err)
	}
	return options, errors.Join(problems...)
}

// keyOf takes a key from the environment where env://NAME asks for it.
func (h Host) keyOf(setting, key string) (string, []byte, error) {
	name, found := strings.CutPrefix(key, "env://")
	if !found {
		return key, nil, nil
	}
	value := h.Getenv(name)
	if value == "" {
		return "", nil, record.BadInput("config/invalid", "--%s %s: the environment has no %s", setting, key, name)
	}
	if setting == "sign-key" {
		h.Secrets.Withhold(value)
	}
	return "", []byte(value), nil
}
