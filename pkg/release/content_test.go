package release

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestAChartThatContradictsItselfIsRefusedByPlanAndApply(t *testing.T) {
	service := func(name, spec string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n---\n"
	}
	settings := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n---\n"
	for name, c := range map[string]struct{ templates, want string }{
		// https://github.com/helm/helm/issues/2947
		"an object twice":              {settings + settings, "ConfigMap/settings is in it twice, from portal/templates/all.yaml and portal/templates/all.yaml"},
		"twice, once with a namespace": {settings + strings.Replace(settings, "name: settings", "name: settings, namespace: portal", 1), "twice"},
		"twice, once in a List":        {settings + "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}]\n", "twice"},
		// https://github.com/helm/helm/issues/3348
		"an object that is to get its name": {"apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: migrate-}\n", "Job (portal/templates/all.yaml) has no metadata.name, only generateName; "},
		"an object whose name has no value": {"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name:\n", "ConfigMap (portal/templates/all.yaml) has no metadata.name; "},
		// https://github.com/helm/helm/issues/10149
		"two objects in one document":   {settings + "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  a: b---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: two\n", "ConfigMap/two (portal/templates/all.yaml) stands in one document with an object before it"},
		"a text that looks like one":    {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  pod: |\n    apiVersion: v1\n    kind: Pod\n    kind: Pod\n", ""},
		"in two namespaces":             {settings + strings.Replace(settings, "name: settings", "name: settings, namespace: default", 1), ""},
		"two kinds of one name":         {settings + strings.Replace(settings, "ConfigMap", "Secret", 1), ""},
		"hooks of one name":             {settings + strings.Replace(settings, "name: settings", "name: settings, annotations: {helm.sh/hook: pre-install}", 1), ""},
		"one nodePort for two Services": {service("a", "ports: [{port: 80, nodePort: 30080}]") + service("b", "ports: [{port: 81, nodePort: 30080, protocol: UDP}]"), "Service/a (portal/templates/all.yaml) and Service/b (portal/templates/all.yaml) both want the nodePort 30080"},
		"one for two protocols":         {service("a", "ports: [{name: t, port: 80, nodePort: 30080}, {name: u, port: 80, nodePort: 30080, protocol: UDP}]"), ""},
		"one clusterIP":                 {service("a", "clusterIP: 10.0.0.9, ports: [{port: 80}]") + service("b", "clusterIP: 10.0.0.9, ports: [{port: 80}]"), "both want the clusterIP 10.0.0.9"},
		"headless ones":                 {service("a", "clusterIP: None, ports: [{port: 80}]") + service("b", "clusterIP: None, ports: [{port: 80}]"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = chartOf(t, c.templates)
			_, err := r.Plan(t.Context(), image("one").Image())
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, record.KindRefused, record.KindOf(err))
			_, err = r.Apply(t.Context(), image("one"))
			require.ErrorContains(t, err, c.want)
			require.Empty(t, cluster.Writes(""))
		})
	}
}

// https://github.com/helm/helm/issues/9788, https://github.com/werf/nelm/issues/57
func TestARecordThatNoSecretHoldsIsRefusedWithTheLargestFiles(t *testing.T) {
	noise := make([]byte, 900<<10)
	_, err := rand.Read(noise)
	require.NoError(t, err)
	r, cluster := open(t)
	filesOf(t, r.Chart, map[string]string{"dump.sql": base64.StdEncoding.EncodeToString(noise)})
	for name, do := range map[string]func() error{
		"plan":  func() error { _, err := r.Plan(t.Context(), image("one").Image()); return err },
		"apply": func() error { _, err := r.Apply(t.Context(), image("one")); return err },
	} {
		err := do()
		require.ErrorContains(t, err, "The largest: dump.sql (1228800 bytes), ", name)
		require.ErrorContains(t, err, ".helmignore")
		require.Equal(t, record.KindRefused, record.KindOf(err))
		require.Empty(t, cluster.Writes(""))
	}
}

func TestImagesThatWereNotPlannedAreNotApplied(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, strings.Replace(web, "image: postgres", "image: postgres:{{ randNumeric 9 }}", 1))
	_, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	_, err = r.Apply(t.Context(), image("one"))
	require.ErrorContains(t, err, "[release/other-images]")
	require.Equal(t, record.KindRefused, record.KindOf(err))
	require.Empty(t, cluster.Writes(""))
}
