package smoke

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func FuzzReferences(f *testing.F) {
	for _, page := range []string{
		`<base href="/p/"><link rel="stylesheet" href="/a.css"/><script defer src='b.js?x=1&amp;y'></script>`,
		"<title>\xdcbersicht f\xfcr \xc4rzte</title><script src=/a.js>", "\xff\xfe<\x00s\x00", "<!--><script src=x>-->", "<noscript><script src=x></noscript><plaintext><link>",
		"<svg><script href=x><![CDATA[<script src=y>]]></script></svg>", "<script src=\"\n/a.js\t\"><SCRIPT></scripT ><link rel=preload as=script href=//h/x>",
	} {
		f.Add([]byte(page), "text/html; charset=utf-8")
		f.Add([]byte(page), "text/html; charset=\"utf-16le\"")
	}
	root := &url.URL{Scheme: "https", Host: "portal.test", Path: "/"}
	f.Fuzz(func(t *testing.T, page []byte, contentType string) {
		base, found, err := references(t.Context(), page, contentType, 50)
		require.NoError(t, err)
		require.LessOrEqual(t, len(found), 50)
		_, _ = root.Parse(base)
		for _, r := range found {
			require.NotEmpty(t, r.address)
			require.False(t, strings.ContainsAny(r.address, "\r\n\t"))
			_, _ = root.Parse(r.address)
		}
	})
}

func FuzzJudge(f *testing.F) {
	f.Add([]byte(`{"items":[{"kind":"API","n":1.0}],"a.b":{"c":null}}`), "application/json; charset=utf-8", `items.0.n`, `1`, `^\{`)
	f.Add([]byte("<html>\xff"), "text/html; q", `a\.b.c`, `null`, `(?i)html$`)
	f.Add([]byte(`[[[[[[1e999999999]]]]]]`), "", `0.0.0`, `{"x":[1e400]}`, `\x{10FFFF}`)
	f.Fuzz(func(t *testing.T, body []byte, contentType, path, want, pattern string) {
		value, err := decode([]byte(want))
		if err != nil {
			value = want
		}
		a := answer{status: 200, header: http.Header{"Content-Type": {contentType}, "X-Text": {want}}, body: body}
		for _, e := range []Expect{
			{Status{"200"}, JSON{path: value}}, {Status{"2xx"}, BodyRegex{pattern}},
			{Status{"200"}, BodyNotRegex{pattern}}, {Status{"200"}, ContentType(contentType)},
			{Status{"200"}, Headers{"x-text": pattern}}, {Status{"404"}},
		} {
			if err := e.judge(t.Context(), a); err != nil {
				detail := Check{Headers: map[string]string{"Authorization": want}}.safe(err.Error())
				require.True(t, utf8.ValidString(detail))
				require.LessOrEqual(t, len([]rune(detail)), maxDetail+1)
				require.NotContains(t, detail, "\n")
			}
		}
		require.True(t, equal(value, value) || value == want && !utf8.ValidString(want))
	})
}
