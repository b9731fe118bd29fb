package sign

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// TestKeysAsPeoplePutThemIntoSecrets: sigstore/cosign-installer#73, sigstore/cosign#1051,
// sigstore/cosign#4020, Checkmarx/ast-cli#1567, blue-build/template#15.
func TestKeysAsPeoplePutThemIntoSecrets(t *testing.T) {
	t.Parallel()
	k := ourKeys(t)
	private, err := os.ReadFile(k.private)
	require.NoError(t, err)
	public, err := os.ReadFile(k.public)
	require.NoError(t, err)
	for name, change := range map[string]func(string) string{
		"as it is":                 func(s string) string { return s },
		"line breaks written out":  func(s string) string { return strings.ReplaceAll(s, "\n", `\n`) },
		"on one line":              func(s string) string { return strings.ReplaceAll(s, "\n", " ") },
		"of Windows":               func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"of Windows, written out":  func(s string) string { return strings.ReplaceAll(s, "\n", `\r\n`) },
		"in quotes":                func(s string) string { return `"` + s + `"` },
		"in quotes, on one line":   func(s string) string { return `"` + strings.ReplaceAll(s, "\n", `\n`) + `"` },
		"in base64":                func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"indented":                 func(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") },
		"without its last newline": strings.TrimSpace,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loadPrivateKey(t.Context(), "", []byte(change(string(private))), []byte(password))
			require.NoError(t, err)
			_, err = loadPublicKeys(t.Context(), "", []byte(change(string(public))))
			require.NoError(t, err)
		})
	}
	for _, word := range []string{password + "\n", password + "\r\n"} {
		_, err := loadPrivateKey(t.Context(), "", private, []byte(word))
		require.NoError(t, err, "the line break of `echo` or of an editor")
	}
	_, err = loadPrivateKey(t.Context(), "", private[:len(private)/2], []byte(password))
	require.ErrorContains(t, err, "was changed or cut off")
	require.Equal(t, record.KindInput, record.KindOf(err))
	_, err = loadPublicKeys(t.Context(), "", public[:len(public)/2])
	require.ErrorContains(t, err, "was changed or cut off")
}

// TestEitherOfTwoKeysIsTrusted, while one takes the place of the other, also where the line
// breaks were lost.
func TestEitherOfTwoKeysIsTrusted(t *testing.T) {
	host, k, other := serveQuirks(t, quirks{}).host, ourKeys(t), theirKeys(t)
	old, err := os.ReadFile(k.public)
	require.NoError(t, err)
	next, err := os.ReadFile(other.public)
	require.NoError(t, err)
	both := string(old) + string(next)
	for _, text := range []string{both, strings.ReplaceAll(both, "\n", `\n`), strings.ReplaceAll(both, "\n", " ")} {
		for _, by := range []pair{k, other} {
			image := pushImage(t, host)
			sign(t, image, by)
			verified, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, KeyPEM: []byte(text)})
			require.NoError(t, err)
			require.Equal(t, by.identity, verified.Identity())
		}
	}
	image := pushImage(t, host)
	sign(t, image, other)
	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, KeyPEM: []byte(string(old) + string(old))})
	require.ErrorContains(t, err, "[sign/key-mismatch]")
	_, err = loadPublicKeys(t.Context(), "", []byte(both[:len(both)-40]))
	require.ErrorContains(t, err, "was changed or cut off")
}

// TestKeysThatAreElsewhere are those that cosign reads, and that stand in workflows made for
// it (sigstore/cosign, doc/cosign_sign.md: --key).
func TestKeysThatAreElsewhere(t *testing.T) {
	for key, want := range map[string]string{
		"k8s://ns/name":                  "kubectl get secret",
		"gitlab://group/project":         "env://COSIGN_PRIVATE_KEY",
		"github://org/repo":              "env://COSIGN_PRIVATE_KEY",
		"pkcs11:token=x;object=y":        "keys in hardware",
		"https://example.com/cosign.pub": "fetch the key once",
		"vault://release":                "hashivault://",
	} {
		_, err := loadPrivateKey(t.Context(), key, nil, nil)
		require.ErrorContains(t, err, want)
		require.Equal(t, record.KindInput, record.KindOf(err))
		_, err = loadPublicKeys(t.Context(), key, nil)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "[sign/key-file]")
	}
}
