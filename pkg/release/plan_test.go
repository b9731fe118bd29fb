package release

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

func actions(changes []record.Change) map[string]string {
	result := map[string]string{}
	for _, c := range changes {
		result[c.Object] = string(c.Action)
	}
	return result
}

func TestAPlanShowsWhatWouldChangeAndChangesNothing(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, growing+"---\n"+withSecret)
	apply(t, r, "good")
	cluster.Writes("")
	plan, err := r.Plan(t.Context(), image("bad").Image())
	require.NoError(t, err)
	require.Empty(t, cluster.Writes(""))
	require.Equal(t, map[string]string{
		"ConfigMap/settings": "update", "ConfigMap/added": "create", "ConfigMap/keep": "create", "PersistentVolumeClaim/files": "create",
		"Deployment/web": "update", "Secret/db": "update",
	}, actions(plan.Changes))
	require.Equal(t, 2, plan.Applied.Revision.Number)
	require.Equal(t, []record.Workload{{Kind: "Deployment", Namespace: "portal", Name: "web"}}, plan.Applied.Workloads)
	require.Contains(t, plan.Manifest, "name: added")
	for _, change := range plan.Changes {
		switch change.Object {
		case "ConfigMap/settings":
			require.Contains(t, change.Diff, "+  extra: \"1\"\n")
		case "Secret/db":
			require.Contains(t, change.Diff, "-  password: (withheld)\n+  password: (withheld, changed)\n")
		}
		require.NotContains(t, change.Diff, "registry.test/bad")
	}

	apply(t, r, "bad")
	back, err := r.PlanRollback(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"ConfigMap/settings": "update", "ConfigMap/added": "delete", "Deployment/web": "update", "Secret/db": "update",
	}, actions(back.Changes), "what is kept, and data, stays")
	require.Equal(t, 3, back.Applied.Revision.Number)
	same, err := r.Plan(t.Context(), image("bad").Image())
	require.NoError(t, err)
	require.Empty(t, same.Changes)
}

func TestAPlanOfAFirstInstall(t *testing.T) {
	for name, namespace := range map[string]string{"in an empty namespace": "portal", "in one that does not exist": "new"} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Namespace, r.helm.client.owner.Namespace = namespace, namespace
			r.helm, _ = r.connect(nil)
			plan, err := r.Plan(t.Context(), image("one").Image())
			require.NoError(t, err)
			require.Equal(t, map[string]string{
				"Deployment/web": "create", "StatefulSet/db": "create", "Service/web": "create", "Service/web-headless": "create", "Service/db": "create",
			}, actions(plan.Changes))
			require.Equal(t, 1, plan.Applied.Revision.Number)
			require.Empty(t, cluster.Writes(""))
			require.Nil(t, cluster.Object("/api/v1/namespaces/new"))
			cluster.RefuseName("web", invalid("Deployment", "web", "spec.template", "x", "required"))
			_, err = r.Plan(t.Context(), image("one").Image())
			require.ErrorContains(t, err, "[release/rejected]", "its form is wrong anywhere")
			require.ErrorContains(t, err, "Deployment/web")
		})
	}
}

func TestImmutableFieldsAreNamedBeforeAnythingChanges(t *testing.T) {
	r, cluster := open(t)
	const chart = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {selector: {matchLabels: {app: APP}}, template: {metadata: {labels: {app: APP}}, spec: {containers: [{name: web, image: web}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: db}]}}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {resources: {requests: {storage: SIZE}}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: denied}
data: {app: APP}
`
	replace := func(app, size string) string {
		return chartOf(t, strings.NewReplacer("APP", app, "SIZE", size).Replace(chart))
	}
	r.Chart = replace("web", "8Gi")
	apply(t, r, "one")
	cluster.RefuseName("denied", &apierrors.StatusError{ErrStatus: metav1.Status{
		Code: 422, Reason: metav1.StatusReasonInvalid, Message: `ValidatingAdmissionPolicy 'p' denied request: no portal here`,
	}})
	r.Chart = replace("portal", "9Gi")
	cluster.Writes("")
	_, err := r.Plan(t.Context(), image("one").Image())
	require.Equal(t, record.KindRefused, record.KindOf(err))
	require.ErrorContains(t, err, "[release/immutable-field]")
	require.ErrorContains(t, err, `would reject 3 objects`)
	require.ErrorContains(t, err, `Deployment/web: spec.selector.matchLabels.app ("web" -> "portal") cannot be changed`)
	require.ErrorContains(t, err, `kubectl delete deployment web --namespace portal`)
	require.ErrorContains(t, err, `StatefulSet/db: spec.volumeClaimTemplates[0].spec.resources.requests.storage ("8Gi" -> "9Gi") cannot be changed`)
	require.ErrorContains(t, err, `kubectl delete statefulset db --namespace portal --cascade=orphan`)
	require.ErrorContains(t, err, `ConfigMap/denied: ValidatingAdmissionPolicy 'p' denied request: no portal here`)
	require.Empty(t, cluster.Writes(""))
	require.Equal(t, "web", cluster.Object(configPath + "denied").(*corev1.ConfigMap).Data["app"])
}

func TestAPlanKnowsTheKindsThatTheChartBrings(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n---\n"+withSecret)
	const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec: {group: example.com, scope: Namespaced, names: {kind: Widget, plural: widgets}, versions: [{name: v1, served: true, storage: true}]}
`
	_, err := r.Plan(t.Context(), image("one").Image())
	require.ErrorContains(t, err, "[release/no-such-kind]")
	require.NoError(t, os.Mkdir(filepath.Join(r.Chart, "crds"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(r.Chart, "crds", "widget.yaml"), []byte(definition), 0o600))
	r.Charts = &Charts{}
	plan, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"CustomResourceDefinition/widgets.example.com": "create", "Widget/w": "create", "Secret/db": "create",
	}, actions(plan.Changes))
	require.Empty(t, cluster.Writes(""))
}

func TestAPlanTriesHooks(t *testing.T) {
	r, cluster := open(t)
	r.Chart = migrating(t, "pre-install,pre-upgrade", "hang")
	plan, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err, "it is not waited for")
	require.Equal(t, map[string]string{"Secret/db": "create"}, actions(plan.Changes))
	require.Contains(t, plan.Manifest, "kind: Job")
	cluster.RefuseName("hang", apierrors.NewBadRequest("no such field"))
	_, err = r.Plan(t.Context(), image("one").Image())
	require.ErrorContains(t, err, "Job/hang: no such field")
	require.Equal(t, record.KindRefused, record.KindOf(err))
}

func TestAPlanWithoutAnAPIServerIsNoRefusal(t *testing.T) {
	r, cluster := open(t)
	cluster.RefuseName("web", apierrors.NewInternalError(apierrors.NewBadRequest("failed calling webhook")))
	_, err := r.Plan(t.Context(), image("one").Image())
	require.Equal(t, record.KindUnavailable, record.KindOf(err), err)
}

// An umbrella chart has the image under the name of the chart in it.
func TestAPlanNamesWhatLooksLikeAnImageInTheValues(t *testing.T) {
	require.Equal(t, []string{"backstage.image", "db.metrics.image"}, manifest.ImagePaths(map[string]any{
		"image":     map[string]any{"repository": "set", "digest": "by stagecrew"},
		"backstage": map[string]any{"image": map[string]any{"repository": "a", "tag": "1"}, "source": map[string]any{"repository": "no tag"}},
		"db":        map[string]any{"metrics": map[string]any{"image": map[string]any{"repository": "b", "digest": ""}}},
	}, "image"))
	r, _ := open(t)
	r.ImageValuesPath = "app.image"
	plan, err := r.Plan(t.Context(), image("two").Image())
	require.NoError(t, err)
	require.Empty(t, plan.ImagePaths, "repository alone may be anything")
}

// helm/helm#2013: an object in a namespace that nobody makes was found out half-way.
func TestPlan_ANamespaceThatNobodyMakesIsFoundBefore(t *testing.T) {
	const far = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: far, namespace: other}\n"
	r, cluster := open(t)
	r.Chart = chartOf(t, web+far)
	_, err := r.Plan(t.Context(), image("one").Image())
	require.Equal(t, record.KindRefused, record.KindOf(err))
	require.ErrorContains(t, err, "the API server would reject ConfigMap/far: ")
	require.ErrorContains(t, err, "[release/rejected]")

	r.Chart = chartOf(t, web+far+"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n")
	_, err = reopen(t, cluster).with(r.Chart).Plan(t.Context(), image("one").Image())
	require.NoError(t, err, "the chart makes it")
}
