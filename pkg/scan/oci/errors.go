package oci

import (
	"errors"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// gone is the error of an image that its index names, see [registry.GoneFrom].
func gone(child name.Digest, err error) error {
	if !registry.IsNotFound(err) {
		return unreadable(child, err)
	}
	return record.BadInput("scan/image-not-found", "pulling image %q: its index names it, and the registry does not have it any more, as after a clean-up of untagged versions: %w; build the image anew", child.String(), text.Error(err, 400))
}

// unreadable is the error of an image that cannot be pulled. What is the user's to mend
// stays as it is.
func unreadable(image name.Digest, err error) error {
	switch {
	case errors.Is(err, errAltered):
		return Unusable(image.String(), err)
	case record.KindOf(err) == record.KindInput:
		return err
	case errors.Is(err, remote.ErrSchema1):
		return registry.Wrap(err, "pulling image %q", image.String())
	case registry.IsNotFound(err):
		return record.BadInput("scan/image-not-found", "pulling image %q: the registry does not have it: %w; check the name and the digest", image.String(), text.Error(err, 400))
	}
	return record.Unavailable("scan/image-unreachable", "pulling image %q: %w%s", image.String(), text.Error(err, 400), registry.Advice(err))
}
