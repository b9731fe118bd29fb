package shown

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/redact"
)

func TestWhatABodyMayNotTellStrangers(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJqb2UifQ.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9"
	for _, c := range []struct{ name, text, want string }{
		{"addresses", "connect ECONNREFUSED 10.96.3.7:5432, then 172.16.0.1.", "connect ECONNREFUSED [address], then [address]."},
		{"IPv6 addresses", "::1:5432 [fd00::5]:80 fe80::1", "[address] [[address]]:80 [address]"},
		{"what only looks like an address", "v1.2.3, 12:30:45, ::error::b, component:default/demo, 1.2.3.400, a::b", "v1.2.3, 12:30:45, ::error::b, component:default/demo, 1.2.3.400, a::b"},
		{"a URL with a password", "postgres://backstage:hun%2Fter2@db:5432/x and redis://:p@h", "postgres://***@db:5432/x and redis://***@h"},
		{"a token in JSON", `{"token":"abc","n":1}`, `{"token":***,"n":1}`},
		{"an escaped quote in a token", `{"accessToken": "a\"b\\", "n":1}`, `{"accessToken": ***, "n":1}`},
		{"a token that is cut off", `{"refresh_token":"abcdef`, `{"refresh_token":***`},
		{"JSON within JSON", `{"message":"{\"password\":\"hunter2\",\"n\":1}"}`, `{"message":"{\"password\":***,\"n\":1}"}`},
		{"a list of tokens", `{"tokens":["abc","def"],"n":1}`, `{"tokens":***,"n":1}`},
		{"an object of secrets", `{"clientSecret":{"value":"abc"},"n":1}`, `{"clientSecret":***,"n":1}`},
		{"a number", `{"password":12345}`, `{"password":***}`},
		{"a query", "GET /x?access_token=abc&limit=1 and /cb?code=4/xyz&state=q", "GET /x?access_token=***&limit=1 and /cb?code=***&state=***"},
		{"a line of configuration", "POSTGRES_PASSWORD=hunter2 POSTGRES_USER=joe", "POSTGRES_PASSWORD=*** POSTGRES_USER=joe"},
		{"YAML", "apiKey: abc\nhost: db", "apiKey: ***\nhost: db"},
		{"an Authorization header", "authorization: Bearer abc123 next", "authorization: *** next"},
		{"an Authorization header in words", "it sent Basic am9lOmh1bnRlcjI= to us", "it sent Basic *** to us"},
		{"cookies", "Cookie: a=1; sid=2\nHost: x", "Cookie: ***\nHost: x"},
		{"a cookie in JSON", `{"set-cookie":["a=1; Path=/","b=2"],"n":1}`, `{"set-cookie":***,"n":1}`},
		{"a JWT", "got " + jwt + " from x", "got *** from x"},
		{"a GitHub token", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "***"},
		{"an AWS key", "AKIAIOSFODNN7EXAMPLE", "***"},
		{"a private key", "x -----BEGIN RSA PRIVATE KEY-----\nMII\nabc", "x ***"},
		{"an ordinary answer", `{"error":{"name":"AuthenticationError","message":"Missing credentials"}}`, `{"error":{"name":"AuthenticationError","message":"Missing credentials"}}`},
		{"HTML", `<title>Portal</title><link href="/static/a.css">`, `<title>Portal</title><link href="/static/a.css">`},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, redacted(c.text, redact.Of())) })
	}
}
