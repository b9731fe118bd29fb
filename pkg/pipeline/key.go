package pipeline

import (
	"context"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// keyStage checks whether the key can sign, before there is something to sign.
func keyStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	options, err := s.signOptions()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ inputs) (done, error) { return done{}, sign.Check(ctx, options) }, nil
}

// signOptions are those of every signature and attestation of this run. That its
// result could not be signed is found out before any work is done.
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
	return options, record.Problems(problems...)
}

// identity is as whom this job signs without a key. A moment's outage of GitHub is waited
// for: nothing else tells it.
func (s *slice) identity(ctx context.Context) (own gha.Identity, err error) {
	hooks := retry.Hooks{
		Temporary: func(err error) bool { return record.KindOf(err) == record.KindUnavailable },
		Waiting: func(_ int, wait time.Duration, cause error) {
			s.host.Log.Warn("no answer yet; trying again", "doing", "asking GitHub who this job is", "wait", wait.Round(time.Second/10), "because", cause)
		},
	}
	err = retry.Do(ctx, retry.Policy{Attempts: 5, First: time.Second, Longest: 8 * time.Second}, hooks, func() (err error) {
		own, err = s.host.Actions.Identity(ctx)
		return err
	})
	return own, err
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
