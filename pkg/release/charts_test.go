package release

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// filesOf writes files into the folder of a chart.
func filesOf(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
}

func TestAChartWithoutItsDependenciesIsRefused(t *testing.T) {
	const parent = "apiVersion: v2\nname: portal\nversion: 1.2.3\n"
	const db = "apiVersion: v2\nname: db\nversion: 1.0.0\n"
	needsDB := parent + "dependencies: [{name: db, version: 1.x.x, condition: db.enabled}]\n"
	needsCommon := db + "dependencies: [{name: common, version: 1.x.x, condition: common.enabled}]\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string // "" for accepted
	}{
		// https://github.com/helm/helm/issues/2209
		"charts/ is empty": {map[string]string{"Chart.yaml": needsDB}, "charts/ does not hold: db. "},
		// `helm install` says the same of one that a condition leaves out.
		"charts/ is empty, and a condition leaves it out": {map[string]string{"Chart.yaml": needsDB, "values.yaml": "db: {enabled: false}\nreplicas: 1\n"}, "charts/ does not hold: db. "},
		"an old requirements.yaml":                        {map[string]string{"Chart.yaml": "apiVersion: v1\nname: portal\nversion: 1.2.3\n", "requirements.yaml": "dependencies: [{name: db, version: 1.0.0}]\n"}, "charts/ does not hold: db. "},
		"all are there":                                   {map[string]string{"Chart.yaml": needsDB, "charts/db/Chart.yaml": db}, ""},
		"there, and a condition leaves it out":            {map[string]string{"Chart.yaml": needsDB, "charts/db/Chart.yaml": db, "values.yaml": "db: {enabled: false}\nreplicas: 1\n"}, ""},
		"under an alias":                                  {map[string]string{"Chart.yaml": parent + "dependencies: [{name: db, version: 1.0.0, alias: store}, {name: db, version: 1.0.0, alias: cache}]\n", "charts/db/Chart.yaml": db}, ""},
		"one that Chart.yaml does not name":               {map[string]string{"charts/db/Chart.yaml": db}, ""},
		// https://github.com/helm/helm/issues/2247
		"a dependency's dependency is missing":            {map[string]string{"Chart.yaml": needsDB, "charts/db/Chart.yaml": needsCommon}, "/charts/db: Chart.yaml names dependencies that charts/ does not hold: common. "},
		"a dependency's missing dependency is not wanted": {map[string]string{"Chart.yaml": needsDB, "charts/db/Chart.yaml": needsCommon, "values.yaml": "db: {common: {enabled: false}}\nreplicas: 1\n"}, ""},
		"the dependency that lacks another is not wanted": {map[string]string{"Chart.yaml": needsDB, "charts/db/Chart.yaml": needsCommon, "values.yaml": "db: {enabled: false}\nreplicas: 1\n"}, ""},
		"a library below, that is there":                  {map[string]string{"Chart.yaml": needsDB, "charts/db/Chart.yaml": needsCommon, "charts/db/charts/common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 1.0.0\ntype: library\n"}, ""},
		"another version than Chart.yaml wants (as Helm)": {map[string]string{"Chart.yaml": needsDB, "charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 2.0.0\n"}, ""},
		// https://github.com/helm/helm/issues/11936
		"another version, and an alias":                {map[string]string{"Chart.yaml": parent + "dependencies: [{name: db, version: 1.x.x, alias: store}]\n", "charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 2.0.0\n"}, "charts/ holds db 2.0.0 where Chart.yaml allows \"1.x.x\"; Helm would ignore alias, condition and tags there: run "},
		"another version, and a condition that is off": {map[string]string{"Chart.yaml": needsDB, "charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 2.0.0\n", "values.yaml": "db: {enabled: false}\nreplicas: 1\n"}, ""},
		// https://github.com/helm/helm/issues/10116
		"aliases without a version":                                  {map[string]string{"Chart.yaml": parent + "dependencies: [{name: db, alias: store}, {name: db, alias: cache}]\n", "charts/db/Chart.yaml": db}, "charts/ holds db 1.0.0 where Chart.yaml allows \"\", db 1.0.0 where"},
		"a library chart (https://github.com/helm/helm/issues/5295)": {map[string]string{"Chart.yaml": parent + "type: library\n"}, "is a library chart"},
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			filesOf(t, r.Chart, c.files)
			_, err := r.Plan(t.Context(), image("one").Image())
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, record.KindInput, record.KindOf(err))
			_, err = r.Apply(t.Context(), image("one"))
			require.ErrorContains(t, err, c.want)
			require.Empty(t, cluster.Writes(""))
		})
	}
}

func TestWhatWasPlannedIsWhatIsApplied(t *testing.T) {
	r, cluster := open(t)
	apply(t, r, "one")
	r = reopen(t, cluster)
	_, err := r.Plan(t.Context(), image("two").Image())
	require.NoError(t, err)
	filesOf(t, r.Chart, map[string]string{"templates/all.yaml": withSecret})
	apply(t, r, "two")
	require.Contains(t, only(cluster.Object(deploymentPath).(*appsv1.Deployment)).Containers[0].Image, "/two@")
}

func TestTheRegistrysAnswerAboutAChartIsUnderstood(t *testing.T) {
	for text, want := range map[string]record.Kind{
		`registry.test/charts/app:1.0.0: not found`: record.KindInput,
		`GET "https://registry.test/v2/charts/app/tags/list?n=1000": response status code 404: name unknown: repository name not known to registry`:       record.KindInput,
		`Unable to locate any tags in provided repository: oci://registry.test/charts/app`:                                                                record.KindInput,
		`Could not locate a version matching provided version string 9.9.9`:                                                                               record.KindInput,
		`invalid reference: invalid repository "Charts"`:                                                                                                  record.KindInput,
		`HEAD "https://registry.test/v2/charts/app/manifests/1.0.0": response status code 401: Unauthorized`:                                              record.KindUnavailable,
		`failed to authorize: failed to fetch anonymous token: GET "https://ghcr.io/token": response status code 403: denied: requested access is denied`: record.KindUnavailable,
		`Head "https://registry.test/v2/": dial tcp: lookup registry.test: no such host`:                                                                  record.KindUnavailable,
	} {
		err := unfetched("oci://registry.test/charts/app:1.0.0", errors.New(text))
		require.Equal(t, want, record.KindOf(err), text)
		require.ErrorContains(t, err, "registry.test/charts/app")
	}
}
