package sign

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

const password = "correct horse"

// pair are the files of one key pair.
type pair struct{ private, public, identity string }

// generated is a key pair made once for all tests: scrypt is slow on purpose, and under
// the race detector ten times as slow.
type generated struct{ private, public []byte }

var (
	ours   = sync.OnceValues(generate)
	theirs = sync.OnceValues(generate)
)

func generate() (g generated, err error) {
	g.private, g.public, err = GenerateKeyPair([]byte(password))
	return g, err
}

// ourKeys are those that sign in a test, and theirKeys those of somebody else.
func ourKeys(t *testing.T) pair { return inFiles(t, ours) }

func theirKeys(t *testing.T) pair { return inFiles(t, theirs) }

func inFiles(t *testing.T, keys func() (generated, error)) pair {
	t.Helper()
	g, err := keys()
	require.NoError(t, err)
	dir := t.TempDir()
	k := pair{private: filepath.Join(dir, "cosign.key"), public: filepath.Join(dir, "cosign.pub")}
	require.NoError(t, os.WriteFile(k.private, g.private, 0o600))
	require.NoError(t, os.WriteFile(k.public, g.public, 0o600))
	verifiers, err := loadPublicKeys(t.Context(), k.public, nil)
	require.NoError(t, err)
	require.Len(t, verifiers, 1)
	der, err := verifiers[0].PublicKey()
	require.NoError(t, err)
	k.identity, err = identityOf(der)
	require.NoError(t, err)
	return k
}

// brisk does not make a test wait, and asks registries that do not encrypt.
var brisk = registry.Access{Insecure: []string{"127.0.0.1"}, Retry: retry.Policy{Attempts: 3, First: time.Millisecond, Longest: 5 * time.Millisecond}}

func serve(t *testing.T) (host string, server *httptest.Server) {
	t.Helper()
	server = httptest.NewServer(memory.New(memory.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), server
}

func pushImage(t *testing.T, host string) record.Image {
	t.Helper()
	image, err := random.Image(64, 1)
	require.NoError(t, err)
	digest, err := image.Digest()
	require.NoError(t, err)
	pushed := record.Image{Repository: host + "/team/backstage", Digest: digest.String()}
	ref, err := name.NewDigest(pushed.String())
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image))
	return pushed
}

func sign(t *testing.T, image record.Image, k pair) Signature {
	t.Helper()
	done, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password)})
	require.NoError(t, err)
	return done
}

func signLegacy(t *testing.T, image record.Image, k pair) {
	t.Helper()
	_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: record.SignatureLegacy})
	require.NoError(t, err)
}

// stored is the image that holds the signatures.
func stored(t *testing.T, ref string) v1.Image {
	t.Helper()
	tag, err := name.NewTag(ref)
	require.NoError(t, err)
	image, err := remote.Image(tag)
	require.NoError(t, err)
	return image
}

func tagOf(image record.Image) string {
	return image.Repository + ":" + strings.Replace(image.Digest, ":", "-", 1) + ".sig"
}

func TestASignedImageIsVerified(t *testing.T) {
	host, _ := serve(t)
	image, k := pushImage(t, host), ourKeys(t)
	done := sign(t, image, k)
	require.Equal(t, Signature{Image: image, Identity: k.identity, Stored: 2}, done)

	verified, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
	require.NoError(t, err)
	require.Equal(t, image, verified.Image())
	require.Equal(t, k.identity, verified.Identity())
	require.False(t, verified.Unsafe())
}

func TestSigningAgainWithTheSameKeyChangesNothing(t *testing.T) {
	t.Parallel()
	host, _ := serve(t)
	image, first, second := pushImage(t, host), ourKeys(t), theirKeys(t)
	sign(t, image, first)
	before, err := stored(t, tagOf(image)).Digest()
	require.NoError(t, err)
	require.Equal(t, Signature{Image: image, Identity: first.identity}, sign(t, image, first))
	after, err := stored(t, tagOf(image)).Digest()
	require.NoError(t, err)
	require.Equal(t, before, after)

	sign(t, image, second)
	layers, err := stored(t, tagOf(image)).Layers()
	require.NoError(t, err)
	require.Len(t, layers, 2, "a second key adds its own signature")
	for _, k := range []pair{first, second} {
		_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
		require.NoError(t, err)
	}
}

func TestAnImageWithoutAGoodSignatureIsRefused(t *testing.T) {
	t.Parallel()
	host, _ := serve(t)
	trusted, other := ourKeys(t), theirKeys(t)
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T) record.Image
		want    []string
	}{
		{"not signed", func(t *testing.T) record.Image { return pushImage(t, host) },
			[]string{"stagecrew sign --image", "cosign sign", "[sign/no-signature]"}},
		{"signed with another key", func(t *testing.T) record.Image {
			image := pushImage(t, host)
			sign(t, image, other)
			return image
		}, []string{other.identity, trusted.identity, "[sign/key-mismatch]"}},
		{"the signature of another image, copied", func(t *testing.T) record.Image {
			signed, image := pushImage(t, host), pushImage(t, host)
			sign(t, signed, trusted)
			tag, err := name.NewTag(tagOf(image))
			require.NoError(t, err)
			require.NoError(t, remote.Write(tag, stored(t, tagOf(signed))))
			return image
		}, []string{trusted.identity, "sha256:", "[sign/other-digest]"}},
		{"a text altered to name this image", func(t *testing.T) record.Image {
			signed, image := pushImage(t, host), pushImage(t, host)
			sign(t, signed, trusted)
			forge(t, signed, image, func(text []byte) []byte {
				return bytes.ReplaceAll(text, []byte(signed.Digest), []byte(image.Digest))
			})
			return image
		}, []string{trusted.identity, "[sign/altered]"}},
		{"a text that is no text", func(t *testing.T) record.Image {
			image := pushImage(t, host)
			signLegacy(t, image, trusted)
			forge(t, image, image, func([]byte) []byte { return []byte("::error::\n\x00") })
			return image
		}, []string{"a key that it does not name", "[sign/key-mismatch]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := c.prepare(t)
			verified, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: trusted.public})
			require.Equal(t, record.KindRefused, record.KindOf(err))
			require.Zero(t, verified)
			for _, part := range append(c.want, image.String()) {
				require.ErrorContains(t, err, part)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// forge puts the signature of one image under another's tag with another text below it.
func forge(t *testing.T, from, image record.Image, change func([]byte) []byte) {
	t.Helper()
	genuine := stored(t, tagOf(from))
	manifest, err := genuine.Manifest()
	require.NoError(t, err)
	layers, err := genuine.Layers()
	require.NoError(t, err)
	content, err := layers[0].Compressed()
	require.NoError(t, err)
	defer content.Close()
	text, err := io.ReadAll(content)
	require.NoError(t, err)
	config, err := genuine.ConfigFile()
	require.NoError(t, err)
	config = config.DeepCopy()
	config.RootFS.DiffIDs, config.History = nil, nil
	forged, err := mutate.Append(mutate.MediaType(mutateConfig(t, config), manifest.MediaType), mutate.Addendum{
		Layer:       static.NewLayer(change(text), manifest.Layers[0].MediaType),
		Annotations: manifest.Layers[0].Annotations,
	})
	require.NoError(t, err)
	tag, err := name.NewTag(tagOf(image))
	require.NoError(t, err)
	require.NoError(t, remote.Write(tag, forged))
}

func TestAGoodSignatureAmongBadOnesIsEnough(t *testing.T) {
	host, _ := serve(t)
	image, trusted, other := pushImage(t, host), ourKeys(t), theirKeys(t)
	sign(t, image, other)
	forge(t, image, image, func([]byte) []byte { return []byte("noise") })
	sign(t, image, trusted)
	_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: trusted.public})
	require.NoError(t, err)
}

func TestARegistryThatIsDownCannotTell(t *testing.T) {
	host, server := serve(t)
	image, k := pushImage(t, host), ourKeys(t)
	sign(t, image, k)
	server.Close()
	_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
	require.ErrorContains(t, err, "[sign/registry-unavailable]")
	require.Equal(t, record.KindUnavailable, record.KindOf(err))
	_, err = Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password)})
	require.Equal(t, record.KindUnavailable, record.KindOf(err))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Verify(ctx, VerifyOptions{Registry: brisk, Image: image, Key: k.public})
	require.ErrorIs(t, err, context.Canceled)
}

func TestAnImageThatIsNotThereIsInput(t *testing.T) {
	host, _ := serve(t)
	missing := record.Image{Repository: host + "/team/backstage", Digest: "sha256:" + strings.Repeat("0", 64)}
	_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: missing, Key: ourKeys(t).private, Password: []byte(password)})
	require.ErrorContains(t, err, "[sign/image-not-found]")
	require.Equal(t, record.KindInput, record.KindOf(err))
	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: missing, Key: ourKeys(t).public})
	require.ErrorContains(t, err, "the registry does not have it")
	require.Equal(t, record.KindInput, record.KindOf(err))
}

func TestTheCheckIsWaivedOnlyLoudly(t *testing.T) {
	var out bytes.Buffer
	image := record.Image{Repository: "127.0.0.1:1/team/backstage", Digest: "sha256:" + strings.Repeat("0", 64)}
	for range 2 {
		out.Reset()
		verified, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, AllowUnsignedUnsafe: true, Log: slog.New(slog.NewTextHandler(&out, nil))})
		require.NoError(t, err)
		require.True(t, verified.Unsafe())
		require.Empty(t, verified.Identity())
		require.Contains(t, out.String(), "level=WARN")
		require.Contains(t, out.String(), image.String())
	}
}
