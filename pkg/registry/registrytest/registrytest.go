// Package registrytest has registries in memory, and images for them, for tests.
package registrytest

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// fixed is a source of numbers that makes test images the same each time.
type fixed struct{}

func (fixed) Int63() int64 { return 4 }
func (fixed) Seed(int64)   {}

// Handler is a registry in memory.
func Handler() http.Handler {
	return registry.New(registry.Logger(log.New(io.Discard, "", 0)))
}

// EmptyImage is an image of one small layer, always the same.
func EmptyImage(t *testing.T) v1.Image {
	t.Helper()
	image, err := random.Image(64, 1, random.WithSource(fixed{}))
	require.NoError(t, err)
	return mutate.MediaType(image, types.OCIManifestSchema1)
}

// Tee copies what is read of a body.
func Tee(body io.ReadCloser, w io.Writer) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(body, w), body}
}

// Serve starts a registry and gives its host; each request goes to see as well.
func Serve(t *testing.T, see func(*http.Request)) string {
	t.Helper()
	handler := Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if see != nil {
			see(r)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// PushBase puts a base image there and gives its reference by tag.
func PushBase(t *testing.T, host string, manifest types.MediaType) string {
	t.Helper()
	image, err := random.Image(512, 2, random.WithSource(fixed{}))
	require.NoError(t, err)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: RootFS(t, image), Config: v1.Config{
		User: "root", Entrypoint: []string{"docker-entrypoint.sh"}, Cmd: []string{"node"},
		Env: []string{"PATH=/usr/bin", "NODE_ENV=development", "NODE_OPTIONS=--enable-source-maps"},
	}})
	require.NoError(t, err)
	image = mutate.MediaType(image, manifest)
	ref, err := name.ParseReference(host + "/library/node:24")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image))
	return ref.String()
}

// RootFS are the layers of an image as its configuration has them.
func RootFS(t *testing.T, image v1.Image) v1.RootFS {
	t.Helper()
	config, err := image.ConfigFile()
	require.NoError(t, err)
	return config.RootFS
}

// Find gives what a reference leads to now, with no digest when it is not there.
func Find(t *testing.T, reference string, options ...remote.Option) record.Image {
	t.Helper()
	ref, err := name.ParseReference(reference)
	require.NoError(t, err)
	found, err := remote.Head(ref, options...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return record.Image{Repository: ref.Context().Name()}
	}
	require.NoError(t, err)
	return record.Image{Repository: ref.Context().Name(), Digest: found.Digest.String()}
}

// Pull reads an image.
func Pull(t *testing.T, image record.Image) v1.Image {
	t.Helper()
	ref, err := name.NewDigest(image.String())
	require.NoError(t, err)
	got, err := remote.Image(ref)
	require.NoError(t, err)
	return got
}

// HangUp breaks the connection of a request.
func HangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Locked is a registry that wants the password "secret" of "me".
func Locked(t *testing.T) string {
	t.Helper()
	return Start(t, Handler(), Passwords("secret"))
}
