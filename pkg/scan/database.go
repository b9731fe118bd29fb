//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// database gives the first usable database of the options, fresh from its registry
// or from the cache when the cached one is the same.
func (s session) database(ctx context.Context) (database, error) {
	var problem error
	for _, reference := range s.options.databases() {
		if problem != nil {
			s.log.Warn("vulnerability database cannot be used, trying the next", "error", problem, "next", reference)
		}
		found, err := s.databaseFrom(ctx, reference)
		if err == nil {
			s.log.Debug("vulnerability database", "reference", reference, "updated", found.UpdatedAt)
			return found, nil
		}
		if problem = err; ctx.Err() != nil {
			break
		}
	}
	return database{}, problem
}

func (s session) databaseFrom(ctx context.Context, reference string) (database, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return database{}, record.BadInput("scan/bad-options", "parsing database reference %q: %w", reference, err)
	}
	store := newStore(s.options.CacheDir, ref)
	if pinned, err := openPinned(ref, store); err == nil {
		return s.accept(ref, pinned)
	}
	if s.options.Offline {
		found, err := store.newest()
		if err != nil {
			return database{}, record.Unavailable("scan/database-missing", "finding a cached vulnerability database of %q in %q: %w; scan once while its registry can be reached", ref, s.options.CacheDir, err)
		}
		return s.accept(ref, found)
	}
	image, digest, err := s.resolve(ctx, ref)
	if err != nil {
		return s.withoutRegistry(ctx, ref, store, err)
	}
	if found, err := openDatabase(store.path(digest)); err == nil {
		return s.accept(ref, found)
	}
	s.log.Info("fetching vulnerability database", "reference", ref.Name(), "digest", digest.String())
	switch err := store.fetch(image, digest); {
	case errors.Is(err, errNotADatabase):
		return database{}, describe(ref, err)
	case err != nil:
		return database{}, record.Unavailable("scan/database-unreachable", "fetching vulnerability database %q: %w", ref, text.Error(err, 400))
	}
	found, err := openDatabase(store.path(digest))
	if err != nil {
		return database{}, describe(ref, err)
	}
	return s.accept(ref, found)
}

// openPinned opens the cached database of a reference by digest, which cannot change.
func openPinned(ref name.Reference, store store) (database, error) {
	digest, ok := ref.(name.Digest)
	if !ok {
		return database{}, errors.New("not by digest")
	}
	hash, err := v1.NewHash(digest.DigestStr())
	if err != nil {
		return database{}, err
	}
	return openDatabase(store.path(hash))
}

func (s session) resolve(ctx context.Context, ref name.Reference) (v1.Image, v1.Hash, error) {
	image, err := remote.Image(ref, s.databases.Options(ctx)...)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	digest, err := image.Digest()
	return image, digest, err
}

// withoutRegistry falls back to a cached database whose maker does not yet promise
// a newer one, so that a registry's bad minute does not stop a release. A registry
// that answers with a clear no is believed.
func (s session) withoutRegistry(ctx context.Context, ref name.Reference, store store, problem error) (database, error) {
	if record.KindOf(problem) == record.KindInput {
		return database{}, problem
	}
	refused := &transport.Error{}
	if registry.IsNotFound(problem) {
		return database{}, record.Unavailable("scan/database-missing", "finding vulnerability database %q: %w; check --scan-database", ref, text.Error(problem, 400))
	}
	no := errors.As(problem, &refused) && refused.StatusCode < http.StatusInternalServerError && refused.StatusCode != http.StatusTooManyRequests
	if found, err := store.newest(); err == nil && !no && ctx.Err() == nil && time.Now().Before(found.NextUpdate) {
		s.log.Warn("vulnerability database is out of reach, using the cached one", "reference", ref.Name(), "updated", found.UpdatedAt, "error", text.Error(problem, 400))
		return s.accept(ref, found)
	}
	return database{}, record.Unavailable("scan/database-unreachable", "reaching vulnerability database %q: %w", ref, text.Error(problem, 400))
}

// accept refuses a database that is older than the options allow.
func (s session) accept(ref name.Reference, found database) (database, error) {
	limit := s.options.MaxDatabaseAge
	if age := time.Since(found.UpdatedAt); limit > 0 && age > limit {
		return database{}, record.Unavailable("scan/database-stale", "vulnerability database %q was made at %s, %s ago, but only %s is allowed; fetch a newer one or change --scan-max-database-age",
			ref, found.UpdatedAt.UTC().Format(time.RFC3339), age.Round(time.Minute), limit)
	}
	return found, nil
}

// describe gives the error of a database that was there but cannot be used.
func describe(ref name.Reference, err error) error {
	if errors.Is(err, errEmpty) {
		return record.Unavailable("scan/database-empty", "using vulnerability database %q: %w, so a scan would find nothing; check --scan-database", ref, err)
	}
	return record.Unavailable("scan/database-unusable", "using vulnerability database %q: %w", ref, text.Error(err, 400))
}
