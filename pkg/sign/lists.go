package sign

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/push"
)

// referring is what refers to the image. A registry that lists nothing by itself may have
// the list under its tag: it got what refers to the image before it could list it, or it
// lists nothing ever.
func (s *store) referring(ctx context.Context) ([]v1.Descriptor, error) {
	index, err := ociremote.Referrers(s.digest, "", s.options...)
	if err != nil {
		return nil, err
	}
	if lists, _ := s.transport.referrersAPI(); !lists || len(index.Manifests) > 0 {
		return index.Manifests, nil
	}
	tagged, err := s.listed(ctx, s.listTag())
	switch {
	case err == nil:
		return tagged.Manifests, nil
	case registry.IsNotFound(err) || record.CodeOf(err) == "sign/no-list":
		return nil, nil
	}
	return nil, err
}

// listTag is where the list is in a registry that has none by itself.
func (s *store) listTag() name.Tag {
	return s.digest.Context().Tag(strings.Replace(s.digest.DigestStr(), ":", "-", 1))
}

// attaching stores bundles in a registry that lists them by itself. What it does not list,
// though it can, is listed under the tag as well: so the specification wants it of a
// registry that does not say OCI-Subject.
func (s *store) attaching(to *push.Repository, bundles []signed) step {
	return step{what: string(referrers), write: func(ctx context.Context) (bool, error) {
		if err := attach(ctx, to, bundles); err != nil || !s.transport.unnoticed() {
			return false, err
		}
		index, err := ociremote.Referrers(s.digest, "", s.options...)
		if err != nil {
			return false, err
		}
		unlisted := absentFrom(index, bundles)
		if len(unlisted) == 0 {
			return false, nil
		}
		return s.rewrite(ctx, to, s.listTag(), func() (*content, error) { return s.longer(ctx, s.listTag(), unlisted) })
	}}
}

// absentFrom are the bundles that a list does not have.
func absentFrom(list *v1.IndexManifest, bundles []signed) []signed {
	return slices.DeleteFunc(slices.Clone(bundles), func(one signed) bool {
		return slices.ContainsFunc(list.Manifests, func(known v1.Descriptor) bool { return known.Digest == one.artifact.descriptor.Digest })
	})
}

func attach(ctx context.Context, to *push.Repository, bundles []signed) error {
	for _, one := range bundles {
		if _, err := to.Image(ctx, one.artifact, one.artifact.blobs, one.artifact.descriptor.Digest.String()); err != nil {
			return err
		}
	}
	return nil
}

// listing stores bundles in a registry whose list of them is a tag.
func (s *store) listing(ctx context.Context, to *push.Repository, bundles []signed) (step, error) {
	tag := s.listTag()
	there, err := s.isThere(ctx, tag)
	attached := false
	return step{what: string(referrers), tag: true, there: there, write: func(ctx context.Context) (bool, error) {
		// What the list names has to be there before it.
		if !attached {
			if err := attach(ctx, to, bundles); err != nil {
				return false, err
			}
			attached = true
		}
		return s.rewrite(ctx, to, tag, func() (*content, error) { return s.longer(ctx, tag, bundles) })
	}}, err
}

// lookFor notes which of the manifests are gone, also of those that need not be read.
func (s *store) lookFor(ctx context.Context, manifests []v1.Descriptor) error {
	for _, d := range manifests {
		if s.isGone(d) {
			continue
		}
		there, err := s.client.Has(ctx, s.digest.Digest(d.Digest.String()))
		if err != nil {
			return err
		}
		if !there {
			s.missing(d.Digest)
		}
	}
	return nil
}

// longer is the list of referrers with the bundles, and without what is gone:
// registries take no list that names what they do not have.
func (s *store) longer(ctx context.Context, tag name.Tag, bundles []signed) (*content, error) {
	list := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	now, err := s.listed(ctx, tag)
	if err == nil {
		list = *now.DeepCopy()
	}
	if err != nil && !registry.IsNotFound(err) {
		return nil, err
	}
	added := absentFrom(&list, bundles)
	if len(added) == 0 && !slices.ContainsFunc(list.Manifests, s.isGone) {
		return nil, nil
	}
	if err := s.lookFor(ctx, list.Manifests); err != nil {
		return nil, err
	}
	list.Manifests = slices.DeleteFunc(list.Manifests, s.isGone)
	for _, one := range added {
		list.Manifests = append(list.Manifests, one.artifact.descriptor)
	}
	slices.SortFunc(list.Manifests, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	raw, err := json.Marshal(list)
	return &content{image: &artifact{raw: raw, descriptor: v1.Descriptor{MediaType: types.OCIImageIndex}}}, err
}

// listed reads the list of referrers under its tag. GitLab's registry takes the tag for the
// digest that it looks like (oras-project/oras-go#1396).
func (s *store) listed(ctx context.Context, tag name.Tag) (*v1.IndexManifest, error) {
	found, err := s.client.Get(ctx, tag)
	if err != nil {
		return nil, err
	}
	if found.Digest == s.subject.Digest {
		return nil, record.BadInput("sign/no-list", "storing the %s of %q: the registry has no list of what refers to an image, and takes the tag of the list, %s, for the image itself; store in the legacy format only (`--sign-format legacy`)", referrers, s.digest, tag.TagStr())
	}
	index, err := found.ImageIndex()
	if err != nil {
		return nil, err
	}
	return index.IndexManifest()
}
