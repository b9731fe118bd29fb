package sensitive

import (
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzPattern holds the quick way against the plain one.
func FuzzPattern(f *testing.F) {
	for _, name := range []string{"a/.env.prod", "x/.config/gcloud/y", "app-config-local.eu.yaml", "id_rsa", "usr/src/linux-6/x", "github-app-a-credentials.yml", ".git"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		elements := strings.Split(name, "/")
		for from, element := range elements {
			quick := map[string]int{}
			for _, c := range byFirst[firstOf(element)] {
				quick[c.text] = c.fits(elements, from)
			}
			for _, r := range rules {
				for _, text := range r.names {
					want := plainly(text, elements, from)
					got, tried := quick[text]
					require.True(t, tried && got == want || !tried && want == -1, "%q at %d of %q", text, from, name)
				}
			}
		}
		for _, p := range packaged {
			require.Equal(t, plainly(p.text, elements, 0), p.fits(elements, 0))
		}
	})
}

// plainly is what a pattern means.
func plainly(text string, elements []string, from int) int {
	n := strings.Count(text, "/") + 1
	if from+n > len(elements) {
		return -1
	}
	if ok, _ := path.Match(text, strings.Join(elements[from:from+n], "/")); !ok {
		return -1
	}
	return from + n - 1
}

func BenchmarkPath(b *testing.B) {
	for b.Loop() {
		Path("node_modules/@backstage/plugin-catalog-backend/dist/processing/DefaultCatalogProcessingEngine.cjs.js", nil)
	}
}
