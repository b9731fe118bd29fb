package release

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/registry"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// chartRegistry holds charts/portal in the versions 1.2.3 and 1.10.0. It speaks
// TLS, as the clients of the options know; host is its address.
func chartRegistry(t *testing.T) (host string, options []registry.ClientOption) {
	t.Helper()
	server := httptest.NewTLSServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host = strings.TrimPrefix(server.URL, "https://")
	options = []registry.ClientOption{
		registry.ClientOptHTTPClient(server.Client()), registry.ClientOptCredentialsFile(filepath.Join(t.TempDir(), "config.json")),
	}
	client, err := registry.NewClient(append(options, registry.ClientOptWriter(io.Discard))...)
	require.NoError(t, err)
	for _, version := range []string{"1.2.3", "1.10.0"} {
		c, err := loader.Load(chartDir(t))
		require.NoError(t, err)
		c.Metadata.Version = version
		archive, err := chartutil.Save(c, t.TempDir())
		require.NoError(t, err)
		text, err := os.ReadFile(archive)
		require.NoError(t, err)
		_, err = client.Push(text, host+"/charts/portal:"+version)
		require.NoError(t, err)
	}
	return host, options
}

func TestRelease_Plan_AChartOfARegistry(t *testing.T) {
	host, options := chartRegistry(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	const none = record.Kind(-1)
	for name, c := range map[string]struct {
		chart string // "" for the registry's
		tag   string
		kind  record.Kind
		want  string // the chart's version, or what the error says
	}{
		"by its version":             {"charts/portal", ":1.2.3", none, "portal-1.2.3"},
		"the newest":                 {"charts/portal", "", none, "portal-1.10.0"},
		"a version it has not":       {"charts/portal", ":9.9.9", record.KindInput, "[release/no-such-chart]"},
		"a range that nothing is in": {"charts/portal", ":~3", record.KindInput, "release/"},
		"a chart it has not":         {"charts/other", ":1.2.3", record.KindInput, "[release/no-such-chart]"},
		"a name that is none":        {"Charts/portal", ":1.2.3", record.KindInput, "[release/chart]"},
		"without TLS":                {strings.TrimPrefix(plain.URL, "http://") + "/charts/portal", ":1.2.3", record.KindUnavailable, "[release/chart-unreachable]"},
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = "oci://" + c.chart + c.tag
			if !strings.Contains(c.chart, ":") {
				r.Chart = "oci://" + host + "/" + c.chart + c.tag
			}
			r.Charts.options = options
			plan, err := r.Plan(t.Context(), image("one").Image())
			require.Empty(t, cluster.Writes(""))
			if c.kind != none {
				require.Equal(t, c.kind, record.KindOf(err), err)
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, plan.Applied.Revision.Chart)
		})
	}
}

// B12 of the security reading: whoever moves the tag of a chart between the plan and the
// change must not decide what is applied.
func TestTheChartThatWasPlannedIsAppliedWhateverBecomesOfItsTag(t *testing.T) {
	host, options := chartRegistry(t)
	r, _ := open(t)
	r.Chart = "oci://" + host + "/charts/portal:1.2.3"
	r.Charts.options = options
	plan, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	r.Charts.options = nil // with these alone the registry could be asked again
	applied, err := r.Apply(t.Context(), image("one"))
	require.NoError(t, err)
	require.Equal(t, plan.Applied.Revision.Chart, applied.Revision.Chart)
	require.Equal(t, "portal-1.2.3", applied.Revision.Chart)
}
