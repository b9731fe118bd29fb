package tags

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/push"
)

// mover lets tags point to images.
type mover struct {
	session *registry.Client
	pushing *push.Session
}

// Apply lets tags of the image's repository point to the image, in the order
// given. All tags are looked at before the first one is written: a tag that must
// not change refuses the whole, with none moved. A tag that may only go forward
// stays where it is when its image has a higher version, by that image's own label,
// or, without a label, by the other tags of the repository. The list tells how far
// it came when there is an error.
func Apply(ctx context.Context, images registry.Access, image record.Image, moves []Move) ([]record.MovedTag, error) {
	for _, m := range moves {
		if err := check(m.Tag); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, registry.Timeout)
	defer cancel()
	session := images.Connect()
	s := &mover{session: session, pushing: push.New(session)}
	plan := make([]record.MovedTag, len(moves))
	for n, m := range moves {
		decided, err := s.decide(ctx, image, m)
		if err != nil {
			return nil, err
		}
		plan[n] = decided
	}
	done := make([]record.MovedTag, 0, len(plan))
	for _, m := range plan {
		if m.Moved {
			if err := s.tag(ctx, image, m.Tag); err != nil {
				return done, err
			}
			s.session.Log.Info("tag moved", "tag", m.Tag, "from", m.From, "to", image.Digest)
		} else if m.Why != "" {
			s.session.Log.Warn("tag stays", "tag", m.Tag, "at", m.From, "why", m.Why)
		}
		done = append(done, m)
	}
	return done, nil
}

// Free refuses an image whose version is another one's: what [Apply] would find out when
// it is deployed. It writes nothing.
func Free(ctx context.Context, images registry.Access, image record.Image, moves []Move) error {
	ctx, cancel := context.WithTimeout(ctx, registry.Timeout)
	defer cancel()
	s := &mover{session: images.Connect()}
	for _, m := range moves {
		if !m.Fixed {
			continue
		}
		if _, err := s.decide(ctx, image, m); err != nil {
			return err
		}
	}
	return nil
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
	descriptor, err := s.session.Get(ctx, source)
	if err != nil {
		return registry.Wrap(err, "getting %q to tag it %q", image, tag)
	}
	to, err := s.pushing.To(ctx, target.Context())
	if err == nil {
		err = to.Tag(ctx, target.TagStr(), descriptor.MediaType, descriptor.Manifest)
	}
	if err != nil {
		return registry.Wrap(err, "tagging %q as %q", image, tag)
	}
	return nil
}

// decide says what is to become of one tag. It writes nothing.
func (s *mover) decide(ctx context.Context, image record.Image, m Move) (record.MovedTag, error) {
	result := record.MovedTag{Tag: m.Tag}
	repo, err := name.NewRepository(image.Repository)
	if err != nil {
		return result, record.BadInput("build/options", "tagging: %w", err)
	}
	found, err := s.session.Get(ctx, repo.Tag(m.Tag))
	if registry.IsNotFound(err) {
		if m.Forward {
			// A new 1.2 or latest may still be older than what was released.
			return s.forward(ctx, repo, m, result, "")
		}
		result.Moved, result.Here = true, true
		return result, nil
	}
	if err != nil {
		return result, registry.Wrap(err, "looking at tag %q of %q", m.Tag, image.Repository)
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
			return result, registry.Wrap(err, "reading the version of %q", repo.Tag(m.Tag))
		}
		return s.forward(ctx, repo, m, result, labelled)
	}
	result.Moved, result.Here = true, true
	return result, nil
}

// forward compares with the version that the tag has now, or, where that is not
// known, with the highest one among the repository's tags. Where those tell that nothing
// was released, an image without a version is no later release.
func (s *mover) forward(ctx context.Context, repo name.Repository, m Move, result record.MovedTag, now string) (record.MovedTag, error) {
	whose := "its image is version " + now
	if now == "" {
		highest, listed, err := s.highest(ctx, repo, m.Tag)
		if err != nil {
			return result, registry.Wrap(err, "listing the tags of %q", repo)
		}
		if now = highest; !listed && result.From != "" {
			result.Why = "its image has no version as a label, and the registry lists no tags that would tell one; move it by hand once"
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

// highest is the highest released version that counts for a tag, "" without one, and
// whether the registry lists tags.
func (s *mover) highest(ctx context.Context, repo name.Repository, tag string) (best string, listed bool, err error) {
	puller, err := s.session.Puller(ctx)
	if err != nil {
		return "", false, err
	}
	lister, err := puller.Lister(ctx, repo)
	if noList(err) {
		s.session.Log.Debug("the registry lists no tags", "repository", repo, "answer", registry.Shown(err))
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	seen := 0
	for lister.HasNext() && seen < maxTags {
		page, err := lister.Next(ctx)
		if err != nil {
			return "", true, err
		}
		seen += len(page.Tags)
		for _, t := range page.Tags {
			if version, ok := versionTag(t); ok && within(version, tag) && (best == "" || compareVersions(version, best) > 0) {
				best = version
			}
		}
	}
	return best, true, nil
}

// noList reports whether a registry says that it has no list of tags, or none for this account,
// which may write them all the same (goharbor/harbor#8035, ivanilves/lstags#222).
func noList(err error) bool {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	return false
}

// versionOf reads the version of an image: of an index by its annotation or that of
// its first image. It is "" when there is none, or one that is not semantic.
func (s *mover) versionOf(ctx context.Context, repo name.Repository, digest v1.Hash) (string, error) {
	descriptor, err := s.session.Get(ctx, repo.Digest(digest.String()))
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
		if version, err := ParseVersion(manifest.Annotations[ocispec.AnnotationVersion]); err == nil {
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
	config, err := registry.ConfigOf(image)
	if err != nil {
		return "", err
	}
	version, err := ParseVersion(config.Config.Labels[ocispec.AnnotationVersion])
	if err != nil {
		return "", nil //nolint:nilerr // a version of another kind does not count
	}
	return version, nil
}
