//go:build goexperiment.jsonv2

package scan

import (
	"errors"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// input gives the part of an error that is the user's to mend, nil when there is none.
func input(err error) error {
	if record.KindOf(err) == record.KindInput {
		return err
	}
	return nil
}

func notThere(err error) bool {
	answer := &transport.Error{}
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

func unreadable(image name.Digest, err error) error {
	switch {
	case errors.Is(err, errAltered):
		return unusable(image.String(), err)
	case input(err) != nil:
		return input(err)
	case notThere(err):
		return record.BadInput("scan/image-not-found", "pulling image %q: the registry does not have it: %w; check the name and the digest", image.String(), foreign(err))
	}
	return record.Unavailable("scan/image-unreachable", "pulling image %q: %w%s", image.String(), foreign(err), registry.Advice(err))
}
