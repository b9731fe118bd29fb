package pipeline

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/sign"
)

// attestStage signs how the deploy ended: the record itself, as it stands then, and no
// output of a stage. That this fails changes nothing about how it ended.
func attestStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	if !slices.Contains(s.settings.Attest, attestVerdict) {
		return nil, nil
	}
	options, err := s.signOptions()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, in inputs) (done, error) {
		options.Image = image.of(in)
		err := s.phase("attest", func() error {
			document, err := s.host.Ledger.Document()
			if err != nil {
				return err
			}
			options.Attestations = []sign.Attestation{{Type: sign.PredicateVerdict, Predicate: json.RawMessage(document)}}
			signed, err := sign.Attest(ctx, options)
			if err == nil {
				s.keep(signed)
			}
			return err
		})
		if err != nil {
			s.host.Log.Warn("the verdict is not attested", "because", err)
		}
		return done{}, nil
	}, nil
}
