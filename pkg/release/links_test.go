package release

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// helm/helm#8540: what lies outside can be read; fluxcd/source-controller#1931: links within
// a repository are in use.
func TestLinksOfAChartStayInItsRepository(t *testing.T) {
	for name, c := range map[string]struct {
		link, to string
		bare     bool // no repository
		refused  bool
	}{
		"a file of the repository":        {"charts/app/files/a", "../../../shared/a", false, false},
		"a folder of the repository":      {"charts/app/charts/lib", "../../lib", false, false},
		"a file elsewhere":                {"charts/app/files/a", "../../../../outside/key", false, true},
		"an absolute one":                 {"charts/app/files/a", "/proc/self/environ", false, true},
		"a link behind a link":            {"charts/app/charts/lib", "../../linked", false, true},
		"the login that a checkout left":  {"charts/app/files/a", "../../../.git/config", false, true},
		"a round":                         {"charts/app/files/a", "..", false, false},
		"nowhere, which Helm says itself": {"charts/app/files/a", "nowhere", false, false},
		"without a repository":            {"charts/app/files/a", "../../lib/Chart.yaml", true, true},
		"without one, within the chart":   {"charts/app/files/a", "../Chart.yaml", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			above, err := filepath.EvalSymlinks(t.TempDir())
			require.NoError(t, err)
			root := filepath.Join(above, "repository")
			for _, file := range []string{"charts/app/Chart.yaml", "charts/app/files/b", "charts/app/charts/c", "charts/lib/Chart.yaml", "charts/linked/Chart.yaml", "shared/a", ".git/config", "../outside/key"} {
				at := filepath.Join(root, file)
				require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o700))
				require.NoError(t, os.WriteFile(at, []byte("name: app\nversion: 1.0.0\napiVersion: v2\n"), 0o600))
			}
			require.NoError(t, os.Symlink("../../../outside/key", filepath.Join(root, "charts/linked/key")))
			if c.bare {
				require.NoError(t, os.RemoveAll(filepath.Join(root, ".git")))
			}
			require.NoError(t, os.Symlink(c.to, filepath.Join(root, c.link)))
			err = checkLinks(filepath.Join(root, "charts/app"))
			if !c.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "is a link to ")
			_, err = (&Release{Options: Options{Chart: filepath.Join(root, "charts/app")}}).read(t.Context())
			require.ErrorContains(t, err, "[release/chart]")
			require.ErrorContains(t, err, "outside of ")
		})
	}
}
