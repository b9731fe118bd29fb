package build

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// MovedTag is what became of a [TagMove].
type MovedTag struct {
	Tag   string
	Moved bool   // it was written; false when it pointed there already or stays elsewhere
	Here  bool   // it points to the image now
	From  string // the digest that it had before, "" for a new tag
	Why   string // for people: why it stays elsewhere, "" otherwise
}

// mover lets tags point to images.
type mover struct {
	session *session
	pushing *pushing
}

// MoveTags lets tags of the image's repository point to the image, in the order
// given. All tags are looked at before the first one is written: a tag that must
// not change refuses the whole, with none moved. A tag that may only go forward
// stays where it is when its image has a higher version, by that image's own label,
// or, without a label, by the other tags of the repository. The list tells how far
// it came when there is an error.
func MoveTags(ctx context.Context, images Images, image record.Image, moves []TagMove) ([]MovedTag, error) {
	for _, m := range moves {
		if err := checkTag(m.Tag); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, smallTimeout)
	defer cancel()
	session := images.session()
	s := &mover{session: session, pushing: newPushing(session)}
	plan := make([]MovedTag, len(moves))
	for n, m := range moves {
		decided, err := s.decide(ctx, image, m)
		if err != nil {
			return nil, err
		}
		plan[n] = decided
	}
	done := make([]MovedTag, 0, len(plan))
	for _, m := range plan {
		if m.Moved {
			if err := s.tag(ctx, image, m.Tag); err != nil {
				return done, err
			}
			s.session.log.Info("tag moved", "tag", m.Tag, "from", m.From, "to", image.Digest)
		} else if m.Why != "" {
			s.session.log.Warn("tag stays", "tag", m.Tag, "at", m.From, "why", m.Why)
		}
		done = append(done, m)
	}
	return done, nil
}

// tag puts the bytes of the manifest again under the name, so that the digest stays the
// same.
func (s *mover) tag(ctx context.Context, image record.Image, tag string) error {
	if _, err := record.ParseImage(image.String()); err != nil {
		return record.BadInput("build/options", "tagging: %w", err)
	}
	target, err := name.NewTag(image.Repository+":"+tag, name.StrictValidation)
	if err != nil {
		return record.BadInput("build/options", "parsing tag %q: %w", tag, err)
	}
	source, err := name.NewDigest(image.String())
	if err != nil {
		return record.BadInput("build/options", "tagging: %w", err)
	}
	descriptor, err := s.session.get(ctx, source)
	if err != nil {
		return registryError(err, "getting %q to tag it %q", image, tag)
	}
	to, err := s.pushing.to(ctx, target.Context())
	if err == nil {
		err = to.manifest(ctx, target.TagStr(), descriptor.MediaType, descriptor.Manifest)
	}
	if err != nil {
		return registryError(err, "tagging %q as %q", image, tag)
	}
	return nil
}

// decide says what is to become of one tag. It writes nothing.
func (s *mover) decide(ctx context.Context, image record.Image, m TagMove) (MovedTag, error) {
	result := MovedTag{Tag: m.Tag}
	repo, err := name.NewRepository(image.Repository)
	if err != nil {
		return result, record.BadInput("build/options", "tagging: %w", err)
	}
	found, err := s.session.get(ctx, repo.Tag(m.Tag))
	if isNotFound(err) {
		if m.Forward {
			// A new 1.2 or latest may still be older than what was released.
			return s.forward(ctx, repo, m, result, "")
		}
		result.Moved, result.Here = true, true
		return result, nil
	}
	if err != nil {
		return result, registryError(err, "looking at tag %q of %q", m.Tag, image.Repository)
	}
	result.From = found.Digest.String()
	switch {
	case result.From == image.Digest:
		result.Here = true
		return result, nil
	case m.Fixed:
		return result, record.Refused("build/version-taken",
			"tagging %q as %q: that version is already %s: a version stays what it was; release a new one", image, m.Tag, result.From)
	case m.Forward:
		labelled, err := s.versionOf(ctx, repo, found.Digest)
		if err != nil {
			return result, registryError(err, "reading the version of %q", repo.Tag(m.Tag))
		}
		return s.forward(ctx, repo, m, result, labelled)
	}
	result.Moved, result.Here = true, true
	return result, nil
}

// forward compares with the version that the tag has now, or, where that is not
// known, with the highest one among the repository's tags.
func (s *mover) forward(ctx context.Context, repo name.Repository, m TagMove, result MovedTag, now string) (MovedTag, error) {
	whose := "its image is version " + now
	if now == "" {
		highest, err := s.highest(ctx, repo, m.Tag)
		if err != nil {
			return result, registryError(err, "listing the tags of %q", repo)
		}
		if now = highest; now == "" && result.From != "" {
			result.Why = "its image has no version as a label, and no other tag tells one; move it by hand once"
			return result, nil
		}
		whose = fmt.Sprintf("the highest version in the repository is %s", now)
	}
	if now != "" && compareVersions(m.Version, now) < 0 {
		result.Why = fmt.Sprintf("%s, higher than %s", whose, m.Version)
		return result, nil
	}
	result.Moved, result.Here = true, true
	return result, nil
}

// maxTags bounds how many tags of a repository are looked at.
const maxTags = 100_000

// highest is the highest released version that counts for a tag, "" without one.
func (s *mover) highest(ctx context.Context, repo name.Repository, tag string) (string, error) {
	puller, err := s.session.read(ctx)
	if err != nil {
		return "", err
	}
	lister, err := puller.Lister(ctx, repo)
	if isNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	best, seen := "", 0
	for lister.HasNext() && seen < maxTags {
		page, err := lister.Next(ctx)
		if err != nil {
			return "", err
		}
		seen += len(page.Tags)
		for _, t := range page.Tags {
			if version, ok := versionTag(t); ok && within(version, tag) && (best == "" || compareVersions(version, best) > 0) {
				best = version
			}
		}
	}
	return best, nil
}

// versionOf reads the version of an image: of an index by its annotation or that of
// its first image. It is "" when there is none, or one that is not semantic.
func (s *mover) versionOf(ctx context.Context, repo name.Repository, digest v1.Hash) (string, error) {
	descriptor, err := s.session.get(ctx, repo.Digest(digest.String()))
	if err != nil {
		return "", err
	}
	var image v1.Image
	if descriptor.MediaType.IsIndex() {
		index, err := descriptor.ImageIndex()
		if err != nil {
			return "", err
		}
		manifest, err := index.IndexManifest()
		if err != nil {
			return "", err
		}
		if version, err := ParseVersion(manifest.Annotations[labelVersion]); err == nil {
			return version, nil
		}
		if len(manifest.Manifests) == 0 || !manifest.Manifests[0].MediaType.IsImage() {
			return "", nil
		}
		image, err = index.Image(manifest.Manifests[0].Digest)
		if err != nil {
			return "", err
		}
	} else if image, err = descriptor.Image(); err != nil {
		return "", err
	}
	config, err := configOf(image)
	if err != nil {
		return "", err
	}
	version, err := ParseVersion(config.Config.Labels[labelVersion])
	if err != nil {
		return "", nil //nolint:nilerr // a version of another kind does not count
	}
	return version, nil
}
