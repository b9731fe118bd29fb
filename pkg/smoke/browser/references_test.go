package browser

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReferencesAreReadAsABrowserReadsThem(t *testing.T) {
	for name, c := range map[string]struct {
		page, base string
		want       []Reference
	}{
		"what bundlers write": {
			`<link rel="stylesheet" href="/static/main.css"/><script defer="defer" src="/static/main.js"></script>`, "",
			[]Reference{{"/static/main.css", "css"}, {"/static/main.js", "javascript"}},
		},
		"without quotes, in capitals, twice": {
			`<SCRIPT SRC=/a.js></SCRIPT><script src='/a.js'></script><LINK HREF=/a.css REL="preload StyleSheet">`, "",
			[]Reference{{"/a.js", "javascript"}, {"/a.css", "css"}},
		},
		"only text": {
			`<!-- <script src="/old.js"></script> --><script>var s='<script src="/no.js">'</script><title><link rel=stylesheet href=x></title>`, "", nil,
		},
		"configuration with tags inside": {
			`<script type="backstage.io/config">[{"a":"<link rel='stylesheet' href='/no.css'>"}]</script><script src="/yes.js"></script>`, "",
			[]Reference{{"/yes.js", "javascript"}},
		},
		"what modern bundlers add": {
			`<link rel="modulepreload" href="/chunk.js"><link rel="preload" as="style" href="/a.css"><link rel=preload as=font href=/f.woff2><script type="module" src="/m.js"></script><script type="importmap" src="/map.json"></script>`, "",
			[]Reference{{"/chunk.js", "javascript"}, {"/a.css", "css"}, {"/m.js", "javascript"}, {"/map.json", ""}},
		},
		"other links":            {`<link rel="icon" href="/i.ico"><link rel="manifest" href="/m.json"><script>x</script>`, "", nil},
		"entities":               {`<script src="/a.js?x=1&amp;y=2"></script>`, "", []Reference{{"/a.js?x=1&y=2", "javascript"}}},
		"a base":                 {`<base href="/portal/"><script src="a.js"></script>`, "/portal/", []Reference{{"a.js", "javascript"}}},
		"a > in a value":         {`<script data-x="a>b" src="/a.js"></script>`, "", []Reference{{"/a.js", "javascript"}}},
		"a script without end":   {`<script src="/a.js"><link rel=stylesheet href=/no.css>`, "", []Reference{{"/a.js", "javascript"}}},
		"no markup but brackets": {"a < b > c <", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			base, got, err := References(t.Context(), []byte(c.page), "text/html", many)
			require.NoError(t, err)
			require.Equal(t, c.base, base)
			require.Equal(t, c.want, got)
		})
	}
}
