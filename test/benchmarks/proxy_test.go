package main

import (
	"context"
	"io"
	"log"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"
)

// countedRegistry starts a registry behind the proxy and gives the proxy's HOST:PORT.
func countedRegistry(t *testing.T, sent *atomic.Int64) string {
	t.Helper()
	behind := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(behind.Close)
	target, err := url.Parse(behind.URL)
	require.NoError(t, err)
	front := httptest.NewUnstartedServer(nil)
	host := front.Listener.Addr().String()
	front.Config.Handler = counting(target, host, sent)
	front.Start()
	t.Cleanup(front.Close)
	return host
}

func push(t *testing.T, reference string, image v1.Image) string {
	t.Helper()
	ref, err := name.ParseReference(reference)
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image))
	digest, err := image.Digest()
	require.NoError(t, err)
	return ref.Context().Digest(digest.String()).String()
}

func TestWhatIsSentIsWhatTheImageHasOfItsOwn(t *testing.T) {
	var sent atomic.Int64
	host := countedRegistry(t, &sent)
	base, err := random.Image(5000, 2)
	require.NoError(t, err)
	before := push(t, host+"/app:1", base)
	require.Greater(t, sent.Swap(0), int64(10000), "the first push sends everything")
	layer, err := random.Layer(3000, "application/vnd.docker.image.rootfs.diff.tar.gzip")
	require.NoError(t, err)
	changed, err := mutate.AppendLayers(base, layer)
	require.NoError(t, err)

	after := push(t, host+"/app:2", changed)

	own, err := newBytes(t.Context(), after, before)
	require.NoError(t, err)
	require.Equal(t, own, sent.Load())
	require.Less(t, own, int64(5000))
}

func TestNPMInTheBuildTrustsEachAuthorityOfThisMachine(t *testing.T) {
	one := "-----BEGIN CERTIFICATE-----\nAAA\nBBB\n-----END CERTIFICATE-----"
	text := npmrc([]byte("# first\n" + one + "\n# second\n" + strings.ReplaceAll(one, "AAA", "CCC") + "\n"))

	require.Equal(t, `ca[]="-----BEGIN CERTIFICATE-----\nAAA\nBBB\n-----END CERTIFICATE-----"`+"\n"+
		`ca[]="-----BEGIN CERTIFICATE-----\nCCC\nBBB\n-----END CERTIFICATE-----"`+"\n", text)
	require.Empty(t, npmrc(nil))
}

func TestNewIsWhatTheImageBeforeHasNotAndInAColdBuildTheBaseImage(t *testing.T) {
	var sent atomic.Int64
	l := &lab{}
	l.base = push(t, countedRegistry(t, &sent)+"/base:1", empty.Image)
	image, err := random.Image(5000, 1)
	require.NoError(t, err)
	host, _, _ := strings.Cut(l.base, "/")
	same := push(t, host+"/app:1", image)
	for name, warm := range map[string]bool{"warm": true, "cold": false} {
		t.Run(name, func(t *testing.T) {
			compared := comparison{rehearse: warm, Sides: []side{{Name: "A", run: func(context.Context) (outcome, error) { return outcome{image: same}, nil }}}}
			require.NoError(t, l.measure(t.Context(), &compared, 2))
			for _, m := range compared.Sides[0].Runs {
				require.Equal(t, warm, m.New < 5000, m.New)
			}
		})
	}
}
