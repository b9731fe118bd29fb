package release

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// open gives a release in an API server of its own.
func open(t *testing.T) (*Release, *apiserver.API) {
	t.Helper()
	cluster := apiserver.New(t)
	return reopen(t, cluster), cluster
}

// reopen is what the next run would see of the same cluster.
func reopen(t *testing.T, cluster *apiserver.API) *Release {
	t.Helper()
	r, err := Open(Options{Cluster: cluster, Namespace: "portal", Name: "backstage", Chart: chartDir(t)})
	require.NoError(t, err)
	r.windDown = 500 * time.Millisecond
	return r
}

const web = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: {{ required "replicas is required" .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec: {containers: [{name: web, image: "{{ .Values.image.repository }}@{{ .Values.image.digest }}"}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {serviceName: db, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: postgres}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: metrics, port: 9000}, {name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-headless}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}, ports: [{port: 5432}]}
`

func chartDir(t *testing.T) string {
	t.Helper()
	return chartOf(t, web)
}

// chartOf makes a chart of templates.
func chartOf(t *testing.T, templates string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"Chart.yaml":         "apiVersion: v2\nname: portal\nversion: 1.2.3\n",
		"values.yaml":        "image: {repository: none}\nreplicas: 1\n",
		"templates/all.yaml": templates,
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return dir
}

func image(repository string) record.Verified {
	return record.NewVerified(record.Image{Repository: "registry.test/" + repository, Digest: digest}, "key")
}

func apply(t *testing.T, r *Release, repository string) record.Applied {
	t.Helper()
	applied, err := r.Apply(t.Context(), image(repository))
	require.NoError(t, err)
	return applied
}

func TestApplyInstallsThenUpgradesAndNamesWhatToWatch(t *testing.T) {
	r, _ := open(t)
	first := apply(t, r, "one")
	require.Equal(t, 1, first.Revision.Number)
	require.Equal(t, record.StatusDeployed, first.Revision.Status)
	require.Equal(t, "registry.test/one@"+digest, first.Revision.Image)
	require.Equal(t, "portal-1.2.3", first.Revision.Chart)
	require.Equal(t, record.MarkPending, first.Revision.Verdict, "unproven from its first moment")
	require.ElementsMatch(t, []record.Workload{
		{Kind: "Deployment", Namespace: "portal", Name: "web"},
		{Kind: "StatefulSet", Namespace: "portal", Name: "db"},
	}, first.Workloads)
	require.Equal(t, []record.Service{{Namespace: "portal", Name: "web", Port: 80},
		{Namespace: "portal", Name: "web-headless", Port: 80}, {Namespace: "portal", Name: "db", Port: 5432}}, first.Services)
	second := apply(t, r, "two")
	require.Equal(t, 2, second.Revision.Number)
	require.Equal(t, []string{"9000/TCP", "80/TCP"}, second.Services[0].Led, "it led to pods of the revision before")
}

func TestOnlyKubernetesOwnKindsAreWatched(t *testing.T) {
	r := &Release{}
	applied, err := r.applied(&helmrelease.Release{Namespace: "portal", Info: &helmrelease.Info{}, Manifest: `apiVersion: example.com/v1
kind: Deployment
metadata: {name: foreign}
spec: {selector: text}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: data}
`})
	require.NoError(t, err)
	require.Equal(t, []record.Workload{{Kind: "StatefulSet", Namespace: "data", Name: "db"}}, applied.Workloads)
}

func TestHistoryIsNewestFirstWithVerdicts(t *testing.T) {
	r, _ := open(t)
	empty, err := r.History(t.Context())
	require.NoError(t, err)
	require.Empty(t, empty)
	apply(t, r, "one")
	require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
	apply(t, r, "two")
	history, err := r.History(t.Context())
	require.NoError(t, err)
	require.Len(t, history, 2)
	require.Equal(t, record.MarkPending, history[0].Verdict, "the verdict of an earlier revision is not inherited")
	require.Zero(t, history[0].MarkedAt)
	require.Equal(t, record.MarkGood, history[1].Verdict)
	require.WithinDuration(t, time.Now(), history[1].MarkedAt, time.Minute)
	require.Equal(t, record.StatusSuperseded, history[1].Status)
}

func TestARollbackIsAnUnprovenCopyThatKnowsItsOrigin(t *testing.T) {
	r, _ := open(t)
	apply(t, r, "one")
	require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
	apply(t, r, "two")
	for want := 3; want <= 4; want++ {
		applied, err := r.Rollback(t.Context(), want-2-(want-3), nil)
		require.NoError(t, err)
		require.Equal(t, want, applied.Revision.Number)
		require.Equal(t, record.MarkPending, applied.Revision.Verdict, "Helm would have copied the verdict good")
		require.Equal(t, 1, applied.Revision.Origin)
		require.Equal(t, "registry.test/one@"+digest, applied.Revision.Image)
	}
	applied, err := r.Rollback(t.Context(), 4, nil)
	require.NoError(t, err)
	require.Equal(t, 1, applied.Revision.Origin, "a copy of a copy leads to the first")
	require.Zero(t, apply(t, r, "six").Revision.Origin)
}

func TestWrongInputChangesNothing(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(values, []byte("image: text\n"), 0o600))
	cases := map[string]struct {
		change func(*Release)
		want   string
	}{
		"no chart":                    {func(r *Release) { r.Chart = "" }, "a chart is missing"},
		"no such chart":               {func(r *Release) { r.Chart = "nowhere" }, "loading chart nowhere"},
		"no such values file":         {func(r *Release) { r.Values = []string{"nowhere.yaml"} }, "nowhere.yaml"},
		"a --set without value":       {func(r *Release) { r.Set = []string{"a"} }, "key \"a\" has no value"},
		"the chart misses a value":    {func(r *Release) { r.Set = []string{"replicas=null"} }, "replicas is required"},
		"image path is not a mapping": {func(r *Release) { r.Values = []string{values} }, `"image" is not a mapping`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, _ := open(t)
			c.change(r)
			_, err := r.Apply(t.Context(), image("one"))
			require.ErrorContains(t, err, c.want)
			require.Equal(t, record.KindInput, record.KindOf(err))
			history, err := r.History(t.Context())
			require.NoError(t, err)
			require.Empty(t, history)
		})
	}
}

func TestBadReleaseNamesAreInput(t *testing.T) {
	_, err := Open(Options{Name: strings.Repeat("x", 60)})
	require.Equal(t, record.KindInput, record.KindOf(err))
}
