package checks

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatWasSentDoesNotShowInAnyForm(t *testing.T) {
	secret := `s3/cret "words" é`
	text, err := json.Marshal(secret)
	require.NoError(t, err)
	c := Check{
		Headers: map[string]string{
			"X-Key": secret, "Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("joe:hunter2")), "Accept": "application/json", "X-Flag": "on",
		},
		secrets: []string{"in-a-body"},
	}
	for sent, want := range map[string]string{
		"you sent " + secret:                      "you sent ***",
		"you sent " + string(text):                `you sent "***"`,
		"/x?k=s3%2Fcret+%22words%22+%C3%A9":       "/x?k=***",
		"unknown: s3/cret":                        "unknown: ***",
		"joe:hunter2, hunter2":                    "***, ***",
		"you sent in-a-body":                      "you sent ***",
		"it is application/json and it is on":     "it is application/json and it is on",
		"\x00 a\nb \u200b, \"q\" and back\\slash": `\x00 a\nb \u200b, "q" and back\slash`,
	} {
		require.Equal(t, want, c.Safe(sent))
	}
}

func FuzzRedactLeavesNoSecret(f *testing.F) {
	f.Add("before ", " after")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "hunter2-hunter2"
		require.NotContains(t, Check{secrets: []string{secret}}.Safe(before+secret+after), secret)
	})
}
