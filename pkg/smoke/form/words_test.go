package form

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheWordThatWasMeant(t *testing.T) {
	known := []string{"path", "body", "bodyRegex", "followRedirects"}
	for word, want := range map[string]string{
		"pth": "path", "paath": "path", "pahs": "path", "BODY": "body", "body_regex": "bodyRegex", "followRedirect": "followRedirects", "url": "", "": "", "é": "",
	} {
		require.Equal(t, want, nearest(word, known), word)
	}
}
