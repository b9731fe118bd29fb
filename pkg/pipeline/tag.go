package pipeline

import (
	"cmp"
	"context"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/tags"
)

// versionStage refuses an image whose version is another one's before it is deployed.
// What the registry does not tell now it tells the stage tag.
func versionStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	access := s.images()
	moves, err := s.moves()
	if err != nil || len(moves) == 0 {
		return nil, err
	}
	return func(ctx context.Context, in inputs) (done, error) {
		err := tags.Free(ctx, access, image.of(in), moves)
		if err != nil && record.KindOf(err) != record.KindRefused {
			s.host.Log.Info("whether the version is taken is not known yet", "because", err)
			return done{}, nil
		}
		return done{}, err
	}, nil
}

// tagStage lets the tags point to the image, after everything else. What was deployed
// and is not proven gets none. What was proven stays so, also when its version was taken
// meanwhile.
func tagStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	access := s.images()
	moves, err := s.moves()
	if err != nil || len(moves) == 0 {
		return nil, err
	}
	return func(ctx context.Context, in inputs) (done, error) {
		result, isDeployed := deployed.made(in)
		if isDeployed && result.Verdict != record.VerdictGood {
			return done{}, nil
		}
		return done{}, s.phase("tag", func() error {
			moved, err := tags.Apply(ctx, access, cmp.Or(promoted.of(in), image.of(in)), moves)
			s.host.Ledger.Update(func(r *record.Record) {
				r.Tags = append(r.Tags, moved...)
			})
			if isDeployed && record.KindOf(err) == record.KindRefused {
				s.host.Log.Warn("the release is live and verified good, and no tag points to its image", "because", err)
				return nil
			}
			return err
		})
	}, nil
}

// version is what the image is: as it was given or, in GitHub Actions, what the Git
// tag says, whether a push, a release or a dispatch by hand names it.
func version(c config.Version, actions *gha.Actions) string {
	if c.VersionLabel != "" {
		return c.VersionLabel
	}
	parsed, err := tags.ParseGitTag(actions.RefName(gha.RefTag))
	if err != nil {
		return ""
	}
	return parsed
}

// moves are the tags that were asked for. Those of the commit and the branch that
// a workflow runs for are for an image that it builds: who promotes one may run for
// others.
func (s *slice) moves() ([]tags.Move, error) { return s.kept.moves.of(s.readMoves) }

func (s *slice) readMoves() ([]tags.Move, error) {
	label := version(s.settings.Version, s.host.Actions)
	if _, err := tags.ParseVersion(label); err != nil {
		if label != "" && !s.isOurs() {
			return nil, err // of a promotion it is for nothing else
		}
		s.tellNoVersion(cmp.Or(label, s.host.Actions.RefName(gha.RefTag)))
		label = ""
	}
	rules := tags.Rules{Version: label, Commit: s.settings.Revision, Branch: s.settings.Branch, Further: s.settings.Tags}
	if s.isOurs() {
		rules.Commit = s.host.commit(s.settings)
		rules.Branch = cmp.Or(rules.Branch, s.branchOfRun())
	}
	return rules.Moves()
}

// tellNoVersion says that a label, or the Git tag, moves no tags of a release: images
// may have versions of another kind.
func (s *slice) tellNoVersion(text string) {
	if _, err := tags.ParseGitTag(text); err != nil && text != "" {
		s.host.Log.Warn("the version gives no tags; give a semantic one with --version-label", "because", err)
	}
}

// branchOfRun is the branch that the workflow runs for, where it makes a tag and no
// other was given. This one was not asked for: that it makes none must not stop a
// release.
func (s *slice) branchOfRun() string {
	host, branch := s.host, s.host.Actions.RefName(gha.RefBranch)
	if branch == "" || s.settings.Branch != "" {
		return ""
	}
	if _, another := host.Actions.Commit(host.source(s.settings)); another {
		host.Log.Warn("another commit is checked out than that of the event, so that its branch is no tag of the image; give --branch", "branch", branch)
		return ""
	}
	if _, err := (tags.Rules{Branch: branch}).Moves(); err != nil {
		host.Log.Warn("the branch gives no tag", "because", err)
		return ""
	}
	return branch
}
