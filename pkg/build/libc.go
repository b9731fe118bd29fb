package build

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"path"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/build/tree"
)

// How far a base image is read for its C library: bytes of a layer unpacked, and time for
// all.
const (
	maxLookedAt = 512 << 20
	lookTime    = 10 * time.Second
)

// roots are what the history of an image says of the root file system that it begins with,
// by the C library in it. "apk add" is not among them: Wolfi has apk and glibc.
var roots = map[string]string{"alpine-minirootfs": tree.Musl, "debian.sh": tree.Glibc, "debuerreotype": tree.Glibc}

// loaders are the programs by which the kernel starts what is linked to a C library, and
// what stands in front of them in the layers of a system that has one of them only.
var loaders = map[string]*regexp.Regexp{
	tree.Musl:  regexp.MustCompile(`^((usr/)?lib/ld-musl-[^/]+\.so\.1|etc/alpine-release)$`),
	tree.Glibc: regexp.MustCompile(`^((usr/)?lib(32|64|x32)?/([^/]+/)?ld(-linux[^/]*|64)\.so\.\d|etc/(debian_version|redhat-release))$`),
}

// libcOf tells the C library of a base image: by how it was made, where that names a root
// file system, or else by the loader in its layers; "" where neither does. Its name tells
// nothing: alpine-tools/node:22-bookworm has glibc, and team/node:22 may be made of Alpine.
func libcOf(ctx context.Context, config *v1.ConfigFile, image v1.Image) string {
	for _, step := range config.History {
		for root, libc := range roots {
			if strings.Contains(step.CreatedBy, root) {
				return libc
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	layers, err := image.Layers()
	if err != nil {
		return ""
	}
	for _, layer := range layers {
		if libc, err := loaderIn(ctx, layer); libc != "" || err != nil {
			return libc
		}
	}
	return ""
}

// loaderIn is the C library of the first loader in a layer; "" when it has none. The one
// of the lowest layer counts: a package may bring another one later
// (jeanblanchard/docker-alpine-glibc#15, dondai44423/donsetch#53).
func loaderIn(ctx context.Context, layer v1.Layer) (string, error) {
	plain, err := layer.Uncompressed()
	if err != nil {
		return "", err
	}
	defer func() { _ = plain.Close() }()
	for reader := tar.NewReader(io.LimitReader(plain, maxLookedAt)); ctx.Err() == nil; {
		header, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return "", nil
		case err != nil:
			return "", err
		}
		name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
		for libc, loader := range loaders {
			if loader.MatchString(name) {
				return libc, nil
			}
		}
	}
	return "", ctx.Err()
}
