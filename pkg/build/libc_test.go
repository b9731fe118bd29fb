package build

import (
	"errors"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree"
)

// unread is an image of which no layer can be had.
type unread struct{ v1.Image }

func (unread) Layers() ([]v1.Layer, error) { return nil, errors.New("no") }

// The names of files are those of alpine:3.20, debian:12, ubuntu:24.04, ubi9, distroless and
// of Wolfi. Sources: jeanblanchard/docker-alpine-glibc#15 and dondai44423/donsetch#53 (the
// loader of another library comes with a package), lovell/sharp#354.
func TestTheCLibraryOfABaseIsReadFromIt(t *testing.T) {
	for name, c := range map[string]struct {
		made   string
		layers [][]string
		want   string
	}{
		"Alpine's own":               {made: "ADD alpine-minirootfs-3.20.1-x86_64.tar.gz / # buildkit", want: tree.Musl},
		"Debian's own":               {made: "# debian.sh --arch 'amd64' out/ 'bookworm' '@1763337600'", want: tree.Glibc},
		"Alpine, squashed":           {layers: [][]string{{"bin/sh", "lib/ld-musl-x86_64.so.1"}}, want: tree.Musl},
		"Alpine for arm64":           {layers: [][]string{{"./lib/ld-musl-aarch64.so.1"}}, want: tree.Musl},
		"Alpine with /usr merged":    {layers: [][]string{{"usr/lib/ld-musl-x86_64.so.1"}}, want: tree.Musl},
		"Alpine, by its release":     {layers: [][]string{{"etc/alpine-release"}}, want: tree.Musl},
		"Alpine, above other layers": {layers: [][]string{{"opt/x"}, nil, {"etc/alpine-release"}}, want: tree.Musl},
		"Alpine with glibc added":    {layers: [][]string{{"lib/ld-musl-x86_64.so.1"}, {"lib64/ld-linux-x86-64.so.2", "usr/glibc-compat/lib/ld-linux-x86-64.so.2"}}, want: tree.Musl},
		"Debian with musl added":     {layers: [][]string{{"etc/debian_version"}, {"lib/ld-musl-x86_64.so.1"}}, want: tree.Glibc},
		"Ubuntu":                     {layers: [][]string{{"usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"}}, want: tree.Glibc},
		"Debian for s390x":           {layers: [][]string{{"lib/ld64.so.1"}}, want: tree.Glibc},
		"Red Hat":                    {layers: [][]string{{"etc/redhat-release"}}, want: tree.Glibc},
		"Wolfi, which has apk":       {made: "RUN apk add nodejs", layers: [][]string{{"etc/apk/world", "lib/ld-linux-aarch64.so.1"}}, want: tree.Glibc},
		"a compatible one elsewhere": {layers: [][]string{{"opt/alpine/etc/alpine-release", "usr/share/ld-linux-x86-64.so.2"}}},
		"nothing that tells":         {made: "COPY alpine /", layers: [][]string{{"node"}}},
	} {
		image := imageOf(t, c.made, c.layers...)
		config, err := image.ConfigFile()
		require.NoError(t, err)
		require.Equal(t, c.want, libcOf(t.Context(), config, image), name)
	}
	require.Empty(t, libcOf(t.Context(), &v1.ConfigFile{}, unread{}))
}
