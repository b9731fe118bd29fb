package browser

import (
	"net/url"
	"strings"
	"testing"

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
		base, found, err := References(t.Context(), page, contentType, 50)
		require.NoError(t, err)
		require.LessOrEqual(t, len(found), 50)
		_, _ = root.Parse(base)
		for _, r := range found {
			require.NotEmpty(t, r.Address)
			require.False(t, strings.ContainsAny(r.Address, "\r\n\t"))
			_, _ = root.Parse(r.Address)
		}
	})
}
