package pipeline

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/promote"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// promoteStage brings a verified image to another repository, or leaves it where it
// is.
func promoteStage(s *slice) (func(context.Context, inputs) (record.Image, error), error) {
	to, access := s.settings.ToRepository, s.images()
	moves, err := s.moves()
	if err != nil {
		return nil, err
	}
	if to == "" && len(moves) == 0 {
		return nil, record.BadInput("config/nothing-to-promote", "there is nothing to do: give --to-repository, --version-label, --revision, --branch or --tag")
	}
	if to == "" {
		return nil, nil
	}
	trust, err := s.verifyOptions()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, in inputs) (copied record.Image, err error) {
		options := promote.Options{Registry: access}
		if !trust.AllowUnsignedUnsafe {
			options.Beside = func(ctx context.Context, repository string, digests []string) error {
				trust.Image = image.of(in)
				beside, err := sign.Copy(ctx, trust, digests, repository)
				s.host.Log.Info("signatures and attestations that hold are copied", "to", repository, "count", beside.Taken, "left", len(beside.Left))
				return err
			}
		}
		err = s.phase("promote", func() error {
			copied, err = promote.Image(ctx, options, image.of(in), to)
			if err == nil {
				s.host.Ledger.Update(func(r *record.Record) { r.Image = copied })
			}
			return err
		})
		return copied, err
	}, nil
}
