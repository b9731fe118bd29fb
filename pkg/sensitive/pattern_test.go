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
		for _, r := range rules {
			for _, p := range append(r.patterns, packaged...) {
				for from := range elements {
					want := -1
					n := strings.Count(p.text, "/") + 1
					if from+n <= len(elements) {
						if ok, _ := path.Match(p.text, strings.Join(elements[from:from+n], "/")); ok {
							want = from + n - 1
						}
					}
					require.Equal(t, want, p.fits(elements, from), "%q at %d of %q", p.text, from, name)
				}
			}
		}
	})
}

func BenchmarkPath(b *testing.B) {
	for b.Loop() {
		Path("node_modules/@backstage/plugin-catalog-backend/dist/processing/DefaultCatalogProcessingEngine.cjs.js", nil)
	}
}
