package pipeline

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/sign"
)

// signStage signs the image and what is to be attested about it.
func signStage(s *slice) (func(context.Context, inputs) (sign.Signature, error), error) {
	options, err := s.signOptions()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, in inputs) (signed sign.Signature, err error) {
		err = s.phase("sign", func() error {
			options.Image = image.of(in)
			if options.Attestations, err = s.claims(ctx, documents.of(in)).attestations(); err != nil {
				return err
			}
			signed, err = sign.Sign(ctx, options)
			if err == nil {
				s.host.Log.Info("signed", "image", options.Image, "by", signed.Identity, "stored", signed.Stored)
				s.keep(signed)
			}
			return err
		})
		return signed, err
	}, nil
}
