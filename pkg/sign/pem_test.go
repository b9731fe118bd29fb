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
			_, err = loadPublicKey(t.Context(), "", []byte(change(string(public))))
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
	_, err = loadPublicKey(t.Context(), "", public[:len(public)/2])
	require.ErrorContains(t, err, "was changed or cut off")
}
