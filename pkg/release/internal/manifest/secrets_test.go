package manifest

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsAreDecodedAndLongestFirst(t *testing.T) {
	values := SecretValues(`apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, data: {a: aHVudGVyMg==, b: c2hvcnQ=, c: "not base64 at all"}}
- {apiVersion: v1, kind: ConfigMap, data: {a: plain text}}
`, "apiVersion: v1\nkind: Secret\nstringData: {d: \"hunter2 and more\", n: 1234567}\n", ": no yaml")
	require.Equal(t, []string{"not base64 at all", "hunter2 and more", "aHVudGVyMg==", "c2hvcnQ=", "1234567", "hunter2", "short"}, values)
}

func TestAnOpenNameDoesNotOpenADocument(t *testing.T) {
	values := SecretValues(`apiVersion: v1
kind: Secret
metadata: {name: a}
stringData: {.env: "DB_PASSWORD=DotEnvPw-7712x\nDB_USER=app", user: octocat}
data: {app.env: ` + b64("A_TOKEN=x\nB=y") + `, login: ` + b64("joe:Login-Pw-77") + `, host: ` + b64("db.example.com") + `}
`)
	require.Contains(t, values, "DB_PASSWORD=DotEnvPw-7712x\nDB_USER=app")
	require.Contains(t, values, "A_TOKEN=x\nB=y")
	require.Contains(t, values, "joe:Login-Pw-77")
	require.NotContains(t, values, "octocat")
	require.NotContains(t, values, "db.example.com")
}

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
