package sign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func mutateConfig(t *testing.T, config *v1.ConfigFile) v1.Image {
	t.Helper()
	image, err := mutate.ConfigFile(empty.Image, config)
	require.NoError(t, err)
	return image
}

var anImage = record.Image{Repository: "127.0.0.1:1/team/backstage", Digest: "sha256:" + strings.Repeat("0", 64)}

func TestWrongOptionsOfAVerificationAreNeverAPass(t *testing.T) {
	tag := record.Image{Repository: "127.0.0.1:1/team/backstage", Digest: "latest"}
	for _, c := range []struct {
		name    string
		options VerifyOptions
		want    string
	}{
		{"nobody to trust", VerifyOptions{Registry: brisk, Image: anImage}, "give --verify-key FILE"},
		{"a key and an identity", VerifyOptions{Registry: brisk, Image: anImage, Key: "k", Identity: "i", Issuer: "u"}, "only one of"},
		{"nobody", VerifyOptions{Registry: brisk, Image: anImage}, "or --verify-identity with --verify-issuer ["},
		{"nobody, for a deploy", VerifyOptions{Registry: brisk, Image: anImage, Deploys: true}, "; --allow-unsigned-unsafe deploys without a check ["},
		{"an identity without its issuer", VerifyOptions{Registry: brisk, Image: anImage, Identity: "i"}, "belong together"},
		{"an issuer without an identity", VerifyOptions{Registry: brisk, Image: anImage, Issuer: "u"}, "belong together"},
		{"roots without an identity", VerifyOptions{Registry: brisk, Image: anImage, Key: "k", TrustedRoot: "r"}, "keyless signatures only"},
		{"a tag", VerifyOptions{Registry: brisk, Image: tag, Key: "k"}, "latest"},
		{"a tag, unsafe", VerifyOptions{Registry: brisk, Image: tag, AllowUnsignedUnsafe: true}, "latest"},
		{"no image", VerifyOptions{Key: "k"}, "parsing image"},
		{"a key and no check", VerifyOptions{Registry: brisk, Image: anImage, Key: "k", AllowUnsignedUnsafe: true}, "switches off the check"},
		{"an identity and no check", VerifyOptions{Registry: brisk, Image: anImage, Identity: "i", Issuer: "u", AllowUnsignedUnsafe: true}, "switches off the check"},
	} {
		t.Run(c.name, func(t *testing.T) {
			verified, err := Verify(t.Context(), c.options)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "[sign/options]")
			require.Equal(t, record.KindInput, record.KindOf(err))
			require.Zero(t, verified)
		})
	}
}

func TestATagIsNotSigned(t *testing.T) {
	_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: record.Image{Repository: "127.0.0.1:1/a/b", Digest: "v1"}, Timeout: -1})
	for _, part := range []string{"v1", "no key", "negative", "[sign/options]"} {
		require.ErrorContains(t, err, part)
	}
	require.Equal(t, record.KindInput, record.KindOf(err))
}

func TestKeyFilesThatDoNotServe(t *testing.T) {
	t.Parallel()
	k, dir := ourKeys(t), t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	noise, huge := write("noise", "not a key"), write("huge", strings.Repeat("x", maxKeySize+1))
	for _, c := range []struct{ name, private, password, public, want string }{
		{"missing", filepath.Join(dir, "none"), password, filepath.Join(dir, "none"), "[sign/key-file]"},
		{"not a key", noise, password, noise, "[sign/key-file]"},
		{"too large", huge, password, huge, "larger than"},
		{"the wrong one of the pair", k.public, password, k.private, "[sign/key-file]"},
		{"a wrong password", k.private, "guess", "", "COSIGN_PASSWORD"},
		{"no password", k.private, "", "", "[sign/key-password]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: anImage, Key: c.private, Password: []byte(c.password)})
			require.ErrorContains(t, err, c.want)
			require.Equal(t, err, Check(t.Context(), SignOptions{Registry: brisk, Image: anImage, Key: c.private, Password: []byte(c.password)}), "it is found out before there is an image")
			require.Equal(t, record.KindInput, record.KindOf(err))
			require.NotContains(t, err.Error(), password)
			if c.public != "" {
				_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: anImage, Key: c.public})
				require.ErrorContains(t, err, c.want)
				require.Equal(t, record.KindInput, record.KindOf(err))
			}
		})
	}
}

func TestAnUnreadableTrustedRootIsInput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trusted_root.json")
	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: anImage, Identity: "i", Issuer: "u", TrustedRoot: file})
	require.ErrorContains(t, err, "[sign/trusted-root]")
	require.Equal(t, record.KindInput, record.KindOf(err))
}
