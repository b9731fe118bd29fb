package record

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzParseImage(f *testing.F) {
	digest := "@sha256:" + strings.Repeat("0a", 32)
	for _, ref := range []string{"ghcr.io/acme/portal" + digest, "localhost:5000/a:1.2.3" + digest, "a" + digest, "[::1]:5000/a" + digest, "docker.io/a/b:latest", "//" + digest, "a@b@" + digest, "ü/\x00" + digest} {
		f.Add(ref)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		image, err := ParseImage(ref)
		if err != nil {
			return
		}
		again, err := ParseImage(image.String())
		require.NoError(t, err)
		require.Equal(t, image, again)
		require.False(t, strings.ContainsAny(image.String(), " \r\n\t\x00"))
		require.True(t, strings.HasPrefix(image.Digest, "sha256:"))
		_, err = ParseRepository(image.Repository)
		require.NoError(t, err)
	})
}

func FuzzGuard(f *testing.F) {
	f.Add("\n::error::\xff")
	f.Fuzz(func(t *testing.T, text string) {
		err := Guard(func() error { panic(text) })
		require.Error(t, err)
		require.NotContains(t, err.Error(), "\n")
		require.LessOrEqual(t, len(err.Error()), 2*maxPanicValue)
	})
}
