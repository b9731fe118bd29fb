package pipeline

import (
	"cmp"
	"context"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// verifyStage checks the signature of the image, and what is attested about it.
func verifyStage(s *slice) (func(context.Context, inputs) (record.Verified, error), error) {
	options, err := s.verifyOptions()
	if err == nil {
		err = options.Validate()
	}
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, in inputs) (checked record.Verified, err error) {
		err = s.phase("verify", func() error {
			options.Image = image.of(in)
			if s.trustsItself() {
				if options, err = s.asMade(ctx, options); err != nil {
					return err
				}
			}
			checked, err = sign.Verify(ctx, options)
			if err == nil && !checked.Unsafe() {
				s.host.Log.Info("signature verified", "image", options.Image, "signed-by", checked.Identity())
			}
			return err
		})
		return checked, err
	}, nil
}

func (s *slice) verifyOptions() (sign.VerifyOptions, error) {
	return s.kept.verifyOptions.of(s.readVerifyOptions)
}

func (s *slice) readVerifyOptions() (sign.VerifyOptions, error) {
	c := s.settings.Trust
	key, text, err := s.host.keyOf("verify-key", c.VerifyKey)
	if err != nil {
		return sign.VerifyOptions{}, err
	}
	policy := sign.Policy{MaxScanAge: s.settings.MaxScanAge, Repository: c.VerifyRepository}
	for _, kind := range c.RequireAttestations {
		predicateType, err := sign.PredicateType(kind)
		if err != nil {
			return sign.VerifyOptions{}, record.BadInput("config/invalid", "--require-attestation: %w", err)
		}
		policy.Attestations = append(policy.Attestations, predicateType)
	}
	options := sign.VerifyOptions{
		Registry:            s.images(),
		Key:                 key,
		KeyPEM:              text,
		Identity:            c.VerifyIdentity,
		IdentityPattern:     c.VerifyIdentityRegexp,
		Issuer:              c.VerifyIssuer,
		TrustedRoot:         s.settings.TrustedRoot,
		Policy:              policy,
		AllowUnsignedUnsafe: s.settings.AllowUnsignedUnsafe,
		Deploys:             s.makes(deployed),
		Log:                 s.host.Log,
	}
	if s.trustsItself() {
		// Whom it is that is trusted comes later; that the files can be read, now.
		options.Identity, options.Issuer = s.host.Actions.Source().Builder, githubIssuer
		_, err := options.Read()
		return options, err
	}
	return options.Read()
}

// githubIssuer is who vouches for the jobs of github.com.
const githubIssuer = "https://token.actions.githubusercontent.com"

// trustsItself reports whether the image of this run, which it signs as the workflow that
// it is, must have that signature because no setting says whose.
func (s *slice) trustsItself() bool {
	c := s.settings.Trust
	said := s.settings.AllowUnsignedUnsafe || c.VerifyKey != "" || c.VerifyIdentity != "" || c.VerifyIdentityRegexp != "" || c.VerifyIssuer != ""
	return !said && s.makes(signature) && s.settings.SignKey == "" && s.host.Actions.Enabled()
}

// asMade trusts whom GitHub says that this job is. Under the name of a workflow that
// others call, too, the repository in the provenance tells them apart.
func (s *slice) asMade(ctx context.Context, o sign.VerifyOptions) (sign.VerifyOptions, error) {
	own, err := s.identity(ctx)
	if err != nil {
		return o, err
	}
	o.Identity, o.Issuer = own.Name, own.Issuer
	if own.Shared {
		o.Policy.Repository = cmp.Or(o.Policy.Repository, s.host.Actions.Source().Repository)
	}
	s.host.Log.Info("nobody else is trusted by a setting: the signature must be this workflow's own", "identity", o.Identity, "issuer", o.Issuer)
	return o, nil
}

// verifyTarget checks the image of a rollback target as that of a deploy, except for
// the age of its scan: what is gone back to is old. nil without signature settings.
func (s *slice) verifyTarget() (func(context.Context, record.Image) error, error) {
	options, err := s.verifyOptions()
	if err != nil {
		return nil, err
	}
	c := s.settings.Trust
	if s.settings.AllowUnsignedUnsafe || c.VerifyKey == "" && c.VerifyIdentity == "" && c.VerifyIdentityRegexp == "" {
		return nil, nil
	}
	options.Policy.MaxScanAge = 0
	return func(ctx context.Context, target record.Image) error {
		options := options
		options.Image = target
		_, err := sign.Verify(ctx, options)
		return err
	}, options.Validate()
}
