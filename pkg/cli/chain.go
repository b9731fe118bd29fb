package cli

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func runSign(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	return s.sign(ctx)
}

func runVerify(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	_, err := s.verify(ctx)
	return err
}

// givenImage reads --image into the record.
func (s *session) givenImage() error {
	image, err := record.ParseImage(s.Image)
	if err != nil {
		return record.BadInput("config/image", "--image: %w", err)
	}
	s.update(func(r *record.Record) { r.Image = image })
	return nil
}
