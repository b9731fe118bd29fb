//go:build goexperiment.jsonv2

package scan

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// explained are credentials whose problems are told from those of the registry: a
// credential helper that is not installed, or a broken config.json, is input.
type explained struct{ authn.Keychain }

// Resolve implements [authn.Keychain].
func (e explained) Resolve(of authn.Resource) (authn.Authenticator, error) {
	return e.ResolveContext(context.Background(), of)
}

// ResolveContext implements [authn.ContextKeychain].
func (e explained) ResolveContext(ctx context.Context, of authn.Resource) (authn.Authenticator, error) {
	found, err := authn.Resolve(ctx, e.Keychain, of)
	if err != nil && ctx.Err() == nil && record.KindOf(err) != record.KindInput {
		err = record.BadInput("scan/bad-credentials", "looking for credentials for registry %q: %w; mend config.json in DOCKER_CONFIG (or ~/.docker) and what it names, or give REGISTRY_USERNAME and REGISTRY_PASSWORD", of.RegistryStr(), foreign(err))
	}
	return found, err
}

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
	return record.Unavailable("scan/image-unreachable", "pulling image %q: %w", image.String(), foreign(err))
}
