package expect

import (
	"net/http"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/smoke/form"
	"github.com/stagecrew/stagecrew/pkg/smoke/shown"
)

func FuzzJudge(f *testing.F) {
	f.Add([]byte(`{"items":[{"kind":"API","n":1.0}],"a.b":{"c":null}}`), "application/json; charset=utf-8", `items.0.n`, `1`, `^\{`)
	f.Add([]byte("<html>\xff"), "text/html; q", `a\.b.c`, `null`, `(?i)html$`)
	f.Add([]byte(`[[[[[[1e999999999]]]]]]`), "", `0.0.0`, `{"x":[1e400]}`, `\x{10FFFF}`)
	f.Fuzz(func(t *testing.T, body []byte, contentType, path, want, pattern string) {
		value, err := form.Decode([]byte(want))
		if err != nil {
			value = want
		}
		a := Answer{Status: 200, Header: http.Header{"Content-Type": {contentType}, "X-Text": {want}}, Body: body}
		for _, e := range []All{
			{Status{"200"}, JSON{path: value}}, {Status{"2xx"}, BodyRegex{pattern}},
			{Status{"200"}, BodyNotRegex{pattern}}, {Status{"200"}, ContentType(contentType)},
			{Status{"200"}, Headers{"x-text": pattern}}, {Status{"404"}},
		} {
			if err := e.Judge(t.Context(), a); err != nil {
				text := shown.Detail(err.Error(), redact.Of(want))
				require.True(t, utf8.ValidString(text))
				require.LessOrEqual(t, len([]rune(text)), shown.MaxDetail+1)
				require.NotContains(t, text, "\n")
			}
		}
		require.True(t, equal(value, value) || value == want && !utf8.ValidString(want))
	})
}
