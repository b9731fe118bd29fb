package cli

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/build"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// version is what the image is: as it was given or, in GitHub Actions, what the Git
// tag says, whether a push, a release or a dispatch by hand names it.
func (s *session) version() string {
	if s.VersionLabel != "" {
		return s.VersionLabel
	}
	version, err := build.ParseVersion(s.actions.RefName(gha.RefTag))
	if err != nil {
		return ""
	}
	return version
}

// moves are the tags that are to point to the image, by the rules.
func (s *session) moves() ([]build.TagMove, error) {
	version := s.version()
	if _, err := build.ParseVersion(version); err != nil {
		version = "" // a label of another kind names no tag
	}
	return build.TagRules{
		Version: version,
		Commit:  or(s.Revision, s.record.Run.Commit),
		Branch:  or(s.Branch, s.actions.RefName(gha.RefBranch)),
		Further: s.Tags,
	}.Moves()
}

// moveTags lets the tags point to the image, after everything else.
func (s *session) moveTags(ctx context.Context) error {
	moves, err := s.moves()
	if err != nil || len(moves) == 0 {
		return err
	}
	return s.phase("tag", func() error {
		moved, err := s.images(s.log).MoveTags(ctx, s.record.Image, moves)
		s.update(func(r *pipeline.Record) {
			for _, m := range moved {
				r.Tags = append(r.Tags, pipeline.MovedTag(m))
			}
		})
		return err
	})
}

// runPromote brings a verified image to another repository, or gives it tags where
// it is.
func runPromote(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	if _, err := s.moves(); err != nil {
		return err
	}
	if _, err := s.verify(ctx); err != nil {
		return err
	}
	if s.ToRepository != "" {
		if err := s.phase("promote", func() error {
			image, err := s.images(s.log).Promote(ctx, s.record.Image, s.ToRepository)
			if err == nil {
				s.update(func(r *pipeline.Record) { r.Image = image })
			}
			return err
		}); err != nil {
			return err
		}
	}
	return s.moveTags(ctx)
}
