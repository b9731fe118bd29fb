package cli

import (
	"cmp"
	"context"

	"github.com/stagecrew/stagecrew/pkg/build"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/record"
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

// given are the rules for the tags that were asked for.
func (s *session) given() build.TagRules {
	version := s.version()
	if _, err := build.ParseVersion(version); err != nil {
		version = "" // a label of another kind names no tag
	}
	return build.TagRules{Version: version, Commit: s.Revision, Branch: s.Branch, Further: s.Tags}
}

// moves are the tags of an image that this run builds: in GitHub Actions also those
// of the commit and the branch that the workflow runs for.
func (s *session) moves() ([]build.TagMove, error) {
	rules := s.given()
	rules.Commit = cmp.Or(rules.Commit, s.read().Run.Commit)
	if branch := s.actions.RefName(gha.RefBranch); rules.Branch == "" && branch != "" {
		// Nobody asked for this one: that it makes no tag must not stop a release.
		if _, err := (build.TagRules{Branch: branch}).Moves(); err != nil {
			s.log.Warn("the branch gives no tag", "because", err)
		} else {
			rules.Branch = branch
		}
	}
	return rules.Moves()
}

// moveTags lets the tags point to the image, after everything else.
func (s *session) moveTags(ctx context.Context, moves []build.TagMove) error {
	if len(moves) == 0 {
		return nil
	}
	return s.phase("tag", func() error {
		moved, err := build.MoveTags(ctx, s.images(s.log), s.read().Image, moves)
		s.update(func(r *record.Record) {
			for _, m := range moved {
				r.Tags = append(r.Tags, record.MovedTag(m))
			}
		})
		return err
	})
}

// runPromote brings a verified image to another repository, or gives it tags where
// it is. The commit and the branch of the workflow that does this may be others than
// those of the image: they give no tags.
func runPromote(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	moves, err := s.given().Moves()
	if err != nil {
		return err
	}
	if len(moves) == 0 && s.ToRepository == "" {
		return record.BadInput("config/nothing-to-promote", "there is nothing to do: give --to-repository, --version-label, --revision, --branch or --tag")
	}
	if _, err := s.verify(ctx); err != nil {
		return err
	}
	if s.ToRepository != "" {
		if err := s.phase("promote", func() error {
			image, err := build.Promote(ctx, s.images(s.log), s.read().Image, s.ToRepository)
			if err == nil {
				s.update(func(r *record.Record) { r.Image = image })
			}
			return err
		}); err != nil {
			return err
		}
	}
	return s.moveTags(ctx, moves)
}
