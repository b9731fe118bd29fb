package redact

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// awkward is a password with everything that somebody escapes.
const awkward = `p@ss/w0rd&"x y'<z>\` + "`$é+%41"

// ways are how programs write a value.
var ways = map[string]func(string) string{
	"as it is":           func(s string) string { return s },
	"base64":             func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 of URLs":     func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"base64 with a user": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("joe:" + s)) },
	"base64 with a u":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte("u:" + s + "\n")) },
	"base64 within JSON": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(`{"a":1,"p":"` + s + `"}`)) },
	"hexadecimal":        func(s string) string { return hex.EncodeToString([]byte(s)) },
	"query":              url.QueryEscape,
	"path":               url.PathEscape,
	"userinfo":           func(s string) string { return url.UserPassword("joe", s).String() },
	"lower case escapes": func(s string) string { return lowerEscapes(url.QueryEscape(s)) },
	"encodeURIComponent": func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") },
	"JSON":               asJSON,
	"JSON within JSON":   func(s string) string { return asJSON(asJSON(s)) },
	"JSON with plain HTML": func(s string) string {
		return strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(asJSON(s))
	},
	"JSON in a query":     func(s string) string { return url.QueryEscape(asJSON(s)) },
	"Go":                  strconv.Quote,
	"Go in ASCII":         strconv.QuoteToASCII,
	"printf %q":           shell,
	"single quotes":       func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" },
	"other single quotes": func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'" },
	"YAML":                func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" },
	"CSV":                 func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` },
	"HTML":                html.EscapeString,
	"double quotes": func(s string) string {
		return strings.NewReplacer("`", "\\`", `"`, `\"`, "$", `\$`, `\`, `\\`).Replace(s)
	},
}

func asJSON(s string) string {
	text, _ := json.Marshal(s) // a string
	return string(text[1 : len(text)-1])
}

func lowerEscapes(s string) string {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '%' {
			s = s[:i] + strings.ToLower(s[i:i+3]) + s[i+3:]
		}
	}
	return s
}

func shell(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("@/&\"' <>\\`$+%", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func TestRedactor_Text_HoweverAValueIsWritten(t *testing.T) {
	for _, secret := range []string{awkward, "HUNTER2-Secret!9", "hunter2xyzzy", "Tr0ub4dor&3", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"} {
		r := Of(secret)
		for name, write := range ways {
			for _, around := range [][2]string{{"", ""}, {"password=", " and more"}, {"[", "]"}} {
				text := around[0] + write(secret) + around[1]
				got := r.Text(text)
				require.Contains(t, got, Hidden, "%s: %s", name, text)
				rest := strings.ReplaceAll(got, Hidden, "")
				require.LessOrEqual(t, len(rest), len(around[0]+around[1])+len(`'joe:@'`), "%s: %q leaves %q", name, text, got)
			}
		}
	}
}

func TestRedactor_Text_WhatCountsAndWhatDoesNot(t *testing.T) {
	for _, c := range []struct {
		name    string
		secrets []string
		text    string
		want    string
	}{
		{"a short password is a word", []string{"k7Rq"}, "login with k7Rq failed; k7Rqx, xk7Rq", "login with *** failed; k7Rqx, xk7Rq"},
		{"a short password in base64", []string{"k7Rq"}, "auth=am9lOms3UnE= and azdScQ, x-am9lOms3UnE=, " + base64.StdEncoding.EncodeToString([]byte(`{"p":"k7Rq"}`)), "auth=*** and ***, x-***, ***"},
		{"three characters are nothing", []string{"abc"}, "abc", "abc"},
		{"words and numbers of everyday", []string{"true", "postgres", "5432", "Admin", "8080", "password"}, "true postgres 5432 Admin 8080 password", "true postgres 5432 Admin 8080 password"},
		{"a word of small letters stays within others", []string{"tiger"}, "tigers and tiger, \\ntiger, %20tiger", "tigers and ***, \\n***, %20***"},
		{"long numbers", []string{"982451653"}, "pin 982451653, 1982451653", "pin ***, 1982451653"},
		{"a value in another", []string{"hunter2-a", "hunter2-a-and-b"}, "hunter2-a-and-b hunter2-a", "*** ***"},
		{"two that overlap", []string{"abcdefgh-1", "gh-1xyzzy9"}, "abcdefgh-1xyzzy9", "***"},
		{"spaces around", []string{"  hunter2-x \n"}, "pw hunter2-x", "pw ***"},
		{"what was cut", []string{"HUNTER2-Secret!9"}, "it said HUNTER2-Sec…, and HUNTER2-Secr", "it said ***…, and ***"},
		{"what was cut short", []string{"HUNTER2-Secret!9"}, "it said " + text.Cut("HUNTER2-Secret!9", 5), "it said ***…"},
		{"what was cut in the middle", []string{"Correct-Horse!Battery+Staple~42"}, "login with Correct-Horse!B … rrect-Horse!Battery+Staple~42 failed", "login with *** … *** failed"},
		{"the start of it that is short", []string{"HUNTER2-Secret!9"}, "pw HUNTE … failed", "pw *** … failed"},
		{"a start with spaces", []string{"secret-part and-more-of-it"}, "x secret-part … y", "x ***… y"},
		{"what was cut at its start", []string{"HUNTER2-Secret!9"}, "…2-Secret!9 and ER2-Secret!9", "…*** and ER2-Secret!9"},
		{"the same, with dots", []string{"HUNTER2-Secret!9"}, "...2-Secret!9 and", "...*** and"},
		{"the end of a word is a word", []string{"hunterxyzzy"}, "… xyzzying … erxyzzy", "… xyzzying … ***"},
		{"less than half of it", []string{"HUNTER2-Secret!9"}, "… cret!9 x", "… cret!9 x"},
		{"a part of a key", []string{"AbCdEf0123456789GhIjKlMnOpQrStUvWxYz98765"}, "…f0123456789GhIjKlMnOpQrStUvWxYz…", "…***…"},
		{"a connection URL", []string{"postgres://joe:h%2Fnt3r@db:5432/x"}, "joe h/nt3r h%2Fnt3r db:5432 postgres://joe:h%2Fnt3r@db:5432/x", "joe *** *** db:5432 ***"},
		{"a connection string", []string{"Server=db;User Id=joe;Password=h#nt3r;Timeout=30"}, "joe h#nt3r on db", "joe *** on db"},
		{"a DSN of words", []string{"host=db user=joe password='h#nt3r x' port=5432"}, "joe h#nt3r x on db", "joe *** on db"},
		{"a token in a URL", []string{"https://t0kent0ken@git.example.com/x"}, "t0kent0ken", "***"},
		{"Docker's configuration", []string{`{"auths":{"reg.example.com":{"username":"joe","auth":"am9lOmh1bnRlcjJ4"}}}`}, "joe hunter2x am9lOmh1bnRlcjJ4 reg.example.com", "joe *** *** reg.example.com"},
		{"lines", []string{"first-Line-1\n second-Line-2\r\n\nthird-Line-3"}, "x first-Line-1 y\nsecond-Line-2\nthird-Line-3", "x *** y\n***\n***"},
		{"lines in one", []string{"first-Line-1\nsecond-Line-2"}, `first-Line-1\nsecond-Line-2`, "***"},
		{"a configuration file", []string{"backend:\n  auth:\n    secret: h#nt3r-x\n  port: 7007\n  title: Portal"}, "backend: listening on port: 7007, title: Portal, h#nt3r-x", "backend: listening on port: 7007, title: Portal, ***"},
		{"properties", []string{"db.user=joe\ndb.password=h#nt3r\n"}, "db.user=joe h#nt3r", "db.user=joe ***"},
		{".netrc", []string{"machine git.example.com\n  login joe\n  password h#nt3r-x\n"}, "joe h#nt3r-x git.example.com", "joe *** git.example.com"},
		{".netrc in a line", []string{"machine git.example.com login joe password h#nt3r-x"}, "joe h#nt3r-x git.example.com", "joe *** git.example.com"},
		{".pgpass", []string{"db.example.com:5432:portal:joe:h#nt3r\\:x\n*:*:*:joe:Oth3r-Pw\n"}, "db.example.com joe h#nt3r:x h#nt3r\\:x Oth3r-Pw portal", "db.example.com joe *** *** *** portal"},
		{"a user and a password", []string{"joe:h#nt3r-x"}, "joe logs in with h#nt3r-x", "joe logs in with ***"},
		{"a host and a port", []string{"db.example.com:5432"}, "port 5432 of db", "port 5432 of db"},
		{"flow YAML", []string{"{user: joe, password: h#nt3r-x, db: {secret: 'Oth3r Pw'}}"}, "joe h#nt3r-x Oth3r Pw", "joe *** ***"},
		{"options", []string{"--user joe --password h#nt3r-x --verbose"}, "joe h#nt3r-x --verbose", "joe *** --verbose"},
		{"XML", []string{"<server><username>joe</username><password>h#nt3r-x</password></server>"}, "joe h#nt3r-x server", "joe *** server"},
		{"leaves of JSON", []string{`{"host":"db.example.com","user":"octocats","smtp":{"cred":"h#nt3r-x","relay":"S3cret.Leaf"},"auth_uri":"https://accounts.example.com/auth"}`},
			"db.example.com octocats h#nt3r-x S3cret.Leaf https://accounts.example.com/auth", "db.example.com octocats *** *** https://accounts.example.com/auth"},
		{"base64 in lines", []string{strings.Repeat("Hunter2 and more. ", 8)}, "data:\n  " + wrap(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("Hunter2 and more. ", 8))), "\n  ") + "\nend", "data:\n  ***\nend"},
		{"nothing known: a URL", nil, "postgres://joe:h%2Fnt3r@db:5432/x, https://joe@host/x", "postgres://joe:***@db:5432/x, https://joe@host/x"},
		{"nothing known: tokens", nil, "ghp_abcdefghijklmnopqrstuvwxyz0123456789 AKIAIOSFODNN7EXAMPLE", "*** ***"},
		{"nothing known: an image", nil, "docker://repo@sha256:aaaa oci://r.example.com:5000/a@sha256:bb", "docker://repo@sha256:aaaa oci://r.example.com:5000/a@sha256:bb"},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, Of(c.secrets...).Text(c.text)) })
	}
}

func wrap(text, with string) string {
	var lines []string
	for len(text) > 76 {
		lines, text = append(lines, text[:76]), text[76:]
	}
	return strings.Join(append(lines, text), with)
}

func TestRedactor_Public_Stays(t *testing.T) {
	r := Of("portal-prod", "h#nt3r-xx")
	r.Public("portal-prod", "registry.example.com/team/webshop@sha256:aaaa")
	r.Add("webshop", "sha256:aaaa")
	require.Equal(t, "portal-prod webshop sha256:aaaa ***", r.Text("portal-prod webshop sha256:aaaa h#nt3r-xx"))
}

func TestRedactor_Text_AKeyInParts(t *testing.T) {
	random := make([]byte, 3000)
	_, err := rand.Read(random)
	require.NoError(t, err)
	key := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: random}))
	r := Of(key)
	require.Equal(t, "-----BEGIN CERTIFICATE-----", r.Text("-----BEGIN CERTIFICATE-----"), "every certificate has this line")
	encoded := base64.StdEncoding.EncodeToString([]byte(key))
	for _, text := range []string{key, encoded, encoded[100:200], "x" + encoded[1000:1040], strings.ReplaceAll(key, "\n", `\n`), strings.ReplaceAll(key, "\n", ""), wrap(encoded, "\n")} {
		got := r.Text(text)
		require.Contains(t, got, Hidden)
		require.Less(t, len(got), 100, got)
	}
}

func TestRedactor_Text_ALineOfAKeyThatLooksLikeAComment(t *testing.T) {
	lines := []string{"-----BEGIN EC PRIVATE KEY-----"}
	for range 3 * manyLines {
		lines = append(lines, "//"+rand.Text()+rand.Text()+"9aZ+/7")
	}
	r := Of(strings.Join(append(lines, "-----END EC PRIVATE KEY-----"), "\n"))
	for _, line := range lines[1:] {
		require.Equal(t, "the line *** of it", r.Text("the line "+line+" of it"))
	}
	require.Equal(t, "// what the next line is for", Of("// what the next line is for\nPASSWORD=h#nt3r-xx").Text("// what the next line is for"))
}

func TestCopy_AndJSON_KeepTheirForm(t *testing.T) {
	type named string
	type inner struct {
		Text string
		Kind named
		any  string
	}
	type outer struct {
		List []inner
		Map  map[string]any
		Ptr  *inner
		None *inner
	}
	secret := "h#nt3r-xx"
	in := outer{List: []inner{{Text: "a " + secret, Kind: named(secret), any: "x"}}, Map: map[string]any{"k " + secret: []any{secret, 1}}, Ptr: &inner{Text: secret}}
	got := Copy(Of(secret), in)
	require.Equal(t, outer{List: []inner{{Text: "a ***", Kind: named(secret), any: "x"}}, Map: map[string]any{"k ***": []any{"***", 1}}, Ptr: &inner{Text: "***"}}, got)
	require.Equal(t, secret, in.Ptr.Text, "the original stays")

	document := []byte("{\n \"h#nt3r-xx\": [\"a\\\"h#nt3r-xx\\n\", 1.50, null], \"n\": 12345678\n}\n")
	require.Equal(t, "{\n \"***\": [\"a\\\"***\\n\", 1.50, null], \"n\": 12345678\n}\n", string(Of(secret, "12345678").JSON(document)))
	require.Equal(t, `{"broken": "x`, string(Of(secret).JSON([]byte(`{"broken": "x`))))
}

func TestAssignment_OfSettings(t *testing.T) {
	r := Of(Assignment("auth.password=pa,HUNTER2-Secret!9")...)
	require.Equal(t, `key "***" has no value`, r.Text(`key "HUNTER2-Secret!9" has no value`))
	require.Empty(t, Assignment("image.tag=abcdefgh,replicas=2"))
	require.Equal(t, "***", Of(Assignment(`a.b=x,db.password=pa\,ss-word`)...).Text("pa,ss-word"))

	found := Values(map[string]any{
		"auth":     map[string]any{"password": "one-one-1", "existingSecret": "name-of-it"},
		"database": map[string]any{"url": "postgres://joe:two-two-2@db/x", "host": "db.example.com"},
		"secrets":  map[string]any{"GITHUB_APP": "three-3-3", "username": "octocat"},
		"extra":    []any{map[string]any{"name": "API_KEY", "value": "four-four-4"}},
	})
	require.ElementsMatch(t, []string{"one-one-1", "two-two-2", "three-3-3", "four-four-4"}, found)
	for _, open := range []string{"username", "POSTGRES_USER", "db-host", "PGPORT_port", "databaseName", "LOG_LEVEL"} {
		require.True(t, NameIsOpen(open), open)
	}
	for _, secret := range []string{"password", "POSTGRES_PASSWORD", "apiKey", "clientSecret", "token", "DATABASE_URL", "connectionString", "tls.key", "credentials", "GITHUB_PAT", "dsn"} {
		require.True(t, NameIsSecret(secret), secret)
		require.False(t, NameIsOpen(secret), secret)
	}
}

func TestValues_HoweverTheyAreWritten(t *testing.T) {
	for name, document := range map[string]map[string]any{
		"a pair":             {"env": []any{map[string]any{"name": "SMTP_PASSWORD", "value": "S3cret-One"}, map[string]any{"name": "SMTP_HOST", "value": "mail"}}},
		"a pair with a key":  {"env": []any{map[string]any{"key": "apiToken", "value": "S3cret-One"}}},
		"YAML in a text":     {"appConfig": "server:\n  port: 80\nauth:\n  secret: S3cret-One\n"},
		"a dotenv in a text": {"envFile": "HOST=db\nexport API_TOKEN='S3cret-One'\n"},
		"a list":             {"tokens": []any{"S3cret-One"}},
	} {
		require.Equal(t, "a *** b", Of(Values(document)...).Text("a S3cret-One b"), name)
	}
	require.Equal(t, []string{"87654321"}, Values(map[string]any{"auth": map[string]any{"password": 87654321, "port": 80}}))
	require.Equal(t, []string{"87654321"}, Values(map[string]any{"auth": map[string]any{"password": 87654321.0}}))
	for name, document := range map[string]map[string]any{
		"open names":  {"auth": map[string]any{"username": "octocat", "database": "portal"}},
		"a document":  {"appConfig": "server:\n  port: 80\n  title: My portal\n"},
		"other pairs": {"env": []any{map[string]any{"name": "LOG_LEVEL", "value": "debug-all"}}},
		"a reference": {"auth": map[string]any{"secretName": "portal-db", "existingSecret": "portal-db"}},
	} {
		require.Empty(t, Values(document), name)
	}
	for _, set := range []string{"a[0].name=DB_PASSWORD,a[0].value=S3cret-One", "a[0].value=S3cret-One,a[0].name=DB_PASSWORD"} {
		require.Equal(t, "x *** y", Of(Assignment(set)...).Text("x S3cret-One y"), set)
	}
	require.Empty(t, Assignment("a[0].name=LOG_LEVEL,a[0].value=debug-all"))
}

// All of them stand in charts/backstage, whose diffs were unreadable: what they name
// is the key of nearly every line.
func TestValues_TheNameOfAKeyIsNone(t *testing.T) {
	for name, document := range map[string]map[string]any{
		"an entry of a Secret":    {"env": []any{map[string]any{"name": "A", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "a", "key": "POSTGRES_PASSWORD"}}}}},
		"an entry of a ConfigMap": {"env": []any{map[string]any{"name": "A", "valueFrom": map[string]any{"configMapKeyRef": map[string]any{"name": "a", "key": "POSTGRES_HOST"}}}}},
		"a label of nodes":        {"antiAffinity": map[string]any{"topologyKey": "kubernetes.io/hostname"}},
		"a label in a term":       {"matchExpressions": []any{map[string]any{"key": "team.example.com/owner", "operator": "Exists"}}},
		"a taint":                 {"tolerations": []any{map[string]any{"key": "team.example.com/dedicated", "effect": "NoSchedule"}}},
	} {
		require.Empty(t, Values(document), name)
	}
	require.Equal(t, []string{"S3cret-One"}, Values(map[string]any{"tls": map[string]any{"name": "a", "key": "S3cret-One"}}))
}

func TestIsOpen_NeedsAValueThatLooksLikeIt(t *testing.T) {
	for name, value := range map[string]string{
		"DB_USER": "portal_app", "host": "db-0.Example.com:5432", "db": "portal-prod", "auth-mode": "scram-sha-256", "app.name": "My portal", "hostname": "fe80::1",
		"login": "jane.doe@example.com", "environment": "staging", "type": "kubernetes.io/tls",
	} {
		require.True(t, IsOpen(name, value), name)
	}
	for name, value := range map[string]string{
		".env": "Abcd1234", "app.env": "DB_PASSWORD=x", "login": "joe:Login-Pw-77", "session.db": "abcdefgh", "auth-mode": "Basic=Mode-Pw-9",
		"env": "A=1\nB=2", "host": "https://joe:pw@host", "db": strings.Repeat("x", 65), "mode": "Tr0ub4dor&3-Horse", "name": "AbCdEf0123456789GhIj", "user": "joe:pw",
	} {
		require.False(t, IsOpen(name, value), name)
	}
	require.Equal(t, "app as *** DB_USER=app", Of("DB_PASSWORD=DotEnvPw-7712x\nDB_USER=app").Text("app as DotEnvPw-7712x DB_USER=app"))
}

func TestRedactor_Add_WhileOthersAreShown(t *testing.T) {
	r := &Redactor{}
	var out bytes.Buffer
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 50 {
				secret := fmt.Sprintf("secret-%d-%d-xyz", i, j)
				r.Add(secret)
				if got := r.Text("a " + secret); got != "a ***" {
					t.Errorf("%s: %s", secret, got)
				}
			}
		})
	}
	all.Wait()
	n, err := r.Writer(&out).Write([]byte("a secret-1-1-xyz\n"))
	require.NoError(t, err)
	require.Equal(t, 17, n)
	require.Equal(t, "a ***\n", out.String())
}

func FuzzNoValueGetsThrough(f *testing.F) {
	f.Add("HUNTER2-Secret!9", "before ", " after")
	f.Add("k7Rq", "\\n", "%")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		secret = strings.TrimSpace(secret)
		r := Of(secret)
		text := before + secret + after
		got := r.Text(text)
		if len([]rune(secret)) >= 2*long && kinds(secret) > 1 && !isCommon(secret) && !strings.Contains(before+Hidden+after, secret) && !strings.Contains(Hidden+Hidden+Hidden, secret) {
			require.NotContains(t, got, secret)
		}
	})
}

// many are 200 certificates of 4 KB.
func many(b *testing.B) *Redactor {
	b.Helper()
	r := &Redactor{}
	random := make([]byte, 3000)
	for range 200 {
		_, err := rand.Read(random)
		require.NoError(b, err)
		r.Add(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: random})))
	}
	return r
}

func BenchmarkALineOfALog(b *testing.B) {
	r := many(b)
	line := `12:00:01 deploy: waiting for Deployment/backstage: 1 of 2 new pods ready after 12s: pod backstage-7d9f8b6c5-x2x4z container backstage: running, not ready detail="the readiness probe fails: HTTP probe failed with statuscode: 503"`
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		r.Text(line)
	}
}

func BenchmarkLearning(b *testing.B) {
	for b.Loop() {
		many(b)
	}
}
