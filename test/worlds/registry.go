package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
	"golang.org/x/sync/errgroup"
)

// packument is what an npm registry tells of a package in one answer: all its versions,
// none of a package that it does not have.
type packument struct {
	Versions map[string]struct{ Dependencies map[string]string }
}

// readAll asks the registry for packages, a few at once.
func (l *lab) readAll(ctx context.Context, names []string) error {
	const atOnce = 6
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	for _, name := range names {
		all.Go(func() error {
			_, err := l.read(ctx, name)
			return err
		})
	}
	return all.Wait()
}

// read asks the registry for a package, once. Not npm does it: each npm that starts takes a
// second of a processor, and a release has hundreds of packages. So it is without
// credentials, and a registry that wants some is an error.
func (l *lab) read(ctx context.Context, name string) (packument, error) {
	if known, ok := l.packages.Load(name); ok {
		read, _ := known.(packument)
		return read, nil
	}
	var read packument
	at := strings.TrimSuffix(l.registry, "/") + "/" + url.PathEscape(name)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return read, err
	}
	request.Header.Set("Accept", "application/vnd.npm.install-v1+json, application/json;q=0.5")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return read, err
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case http.StatusOK:
		if err := json.NewDecoder(answer.Body).Decode(&read); err != nil {
			return read, fmt.Errorf("reading what the registry tells of %s: %w", name, err)
		}
	case http.StatusNotFound:
	default:
		return read, fmt.Errorf("asking the registry for %s: %s", name, answer.Status)
	}
	l.packages.Store(name, read)
	return read, nil
}

// asks gives the dependencies of a package in a version, and whether the registry has it.
func (l *lab) asks(ctx context.Context, name, version string) (map[string]string, bool, error) {
	read, err := l.read(ctx, name)
	told, there := read.Versions[version]
	return told.Dependencies, there, err
}

// versions are those of a package that the registry has, without candidates, the lowest
// first; there is one.
func (l *lab) versions(ctx context.Context, name string) ([]string, error) {
	read, err := l.read(ctx, name)
	if err != nil {
		return nil, err
	}
	var versions []string
	for v := range read.Versions {
		if semver.IsValid("v"+v) && semver.Prerelease("v"+v) == "" {
			versions = append(versions, v)
		}
	}
	if len(versions) == 0 {
		return nil, fmt.Errorf("the registry has no version of %s", name)
	}
	slices.SortFunc(versions, func(a, b string) int { return semver.Compare("v"+a, "v"+b) })
	return versions, nil
}
