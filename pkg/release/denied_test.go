package release

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

func TestAMissingPermissionLeavesAManifestToCheck(t *testing.T) {
	for name, path := range map[string]string{
		"to read an object":      configPath + "settings",
		"to read Helm's records": "/api/v1/namespaces/portal/secrets",
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = chartOf(t, growing)
			cluster.Meet = func(w http.ResponseWriter, request *http.Request) bool {
				if request.URL.Path != path || request.Method != http.MethodGet {
					return false
				}
				apiserver.Refusal(w, metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: `x is forbidden: User "ci" cannot get resource "x" in API group "" in the namespace "portal"`})
				return true
			}
			plan, err := r.Plan(t.Context(), image("one").Image())
			require.NoError(t, err)
			require.Contains(t, plan.Denied, `User "ci" cannot get resource`)
			require.Contains(t, plan.Manifest, "name: settings")
			require.Equal(t, image("one").Image(), plan.Image)
		})
	}
}

func TestAPermissionThatAWriteLacksIsNoRejectionOfTheObject(t *testing.T) {
	r, cluster := open(t)
	cluster.RefuseName("web", &apierrors.StatusError{ErrStatus: metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden,
		Message: `deployments.apps "web" is forbidden: User "ci" cannot create resource "deployments" in API group "apps" in the namespace "portal"`}})
	plan, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	require.Contains(t, plan.Denied, `/web: deployments.apps "web" is forbidden`)
}

func TestWhatTheAPIServerMeansByNoIsSaid(t *testing.T) {
	terminating := apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, "web", nil)
	terminating.ErrStatus.Message = `deployments.apps "web" is forbidden: unable to create new content in namespace portal because it is being terminated`
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	forbidden := func(words string) *apierrors.StatusError {
		e := apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, "web", nil)
		e.ErrStatus.Message = words
		return e
	}
	for name, c := range map[string]struct {
		answer *apierrors.StatusError
		code   string
		kind   record.Kind
	}{
		// https://github.com/galaxyproject/galaxy-helm/issues/457
		"the namespace is being deleted": {terminating, "[release/namespace-terminating]", record.KindRefused},
		// https://github.com/prometheus-community/helm-charts/issues/1041
		"a webhook is down": {apierrors.NewInternalError(errorText(`failed calling webhook "policy.example.com": no endpoints available for service "policy"`)), "[release/webhook-unreachable]", record.KindUnavailable},
		"a policy denies":   {forbidden(`admission webhook "policy.example.com" denied the request: no`), "[release/rejected]", record.KindRefused},
	} {
		for when, first := range map[string]bool{"at a first install": true, "at an upgrade": false} {
			t.Run(name+" "+when, func(t *testing.T) {
				r, cluster := open(t)
				if !first {
					apply(t, r, "zero")
				}
				cluster.RefuseName("web", c.answer)
				_, err := r.Plan(t.Context(), image("one").Image())
				require.ErrorContains(t, err, c.code)
				require.Equal(t, c.kind, record.KindOf(err), err)
				require.NotContains(t, err.Error(), "grant the user")
			})
		}
	}
	full := forbidden(`secrets "sh.helm.release.v1.app.v2" is forbidden: exceeded quota: q, requested: count/secrets=1, used: count/secrets=3, limited: count/secrets=3`)
	require.ErrorContains(t, classify("applying", full), "[release/quota-exceeded]")
	require.ErrorContains(t, (&Release{}).unapplied("applying", full), "[release/quota-exceeded]")
}

type errorText string

func (e errorText) Error() string { return string(e) }

// A policy for signatures or registries says no to an image that is not there yet. To what has
// other images it says no for good, and nobody should build for minutes to learn it
// (sigstore/policy-controller#1520, sigstore/helm-charts#275).
func TestAPolicysNoToAnImageThatIsNotBuiltIsNone(t *testing.T) {
	r, cluster := open(t)
	deny := func(kind, words string) {
		cluster.Refuse = func(_ string, object runtime.Object) *metav1.Status {
			if object.GetObjectKind().GroupVersionKind().Kind != kind {
				return nil
			}
			status := apierrors.NewBadRequest(`admission webhook "policy.sigstore.dev" denied the request: validation failed: ` + words).Status()
			return &status
		}
	}
	deny("Deployment", "failed policy: signed: spec.template.spec.containers[0].image")
	_, err := r.Plan(t.Context(), record.NotBuilt("registry.test/one"))
	require.NoError(t, err)
	_, err = r.Plan(t.Context(), image("one").Image())
	require.ErrorContains(t, err, "[release/rejected]")

	deny("StatefulSet", "invalid value: postgres must be an image digest: spec.template.spec.containers[0].image")
	_, err = r.Plan(t.Context(), record.NotBuilt("registry.test/one"))
	require.ErrorContains(t, err, "[release/rejected]")
	require.ErrorContains(t, err, "StatefulSet/db: admission webhook \"policy.sigstore.dev\" denied the request: validation failed: invalid value: postgres must be an image digest")
	require.Equal(t, record.KindRefused, record.KindOf(err))
}

// https://github.com/helm/helm/issues/7223
func TestObjectsOfOthersAreNamedAllAtOnceWithTheCommands(t *testing.T) {
	for name, upgrade := range map[string]bool{"at a first install": false, "at an upgrade": true} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			if upgrade {
				r.Chart = chartOf(t, withSecret)
				apply(t, r, "zero")
				r.Chart = chartDir(t)
			}
			cluster.Put("/api/v1/namespaces/portal/services/web", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"portal"}}`)
			cluster.Put(deploymentPath, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"portal","labels":{"app.kubernetes.io/managed-by":"Helm"},"annotations":{"meta.helm.sh/release-name":"other","meta.helm.sh/release-namespace":"portal"}}}`)
			cluster.Writes("")
			_, err := r.Plan(t.Context(), image("one").Image())
			require.Equal(t, record.KindRefused, record.KindOf(err), err)
			require.ErrorContains(t, err, "Service/web belongs to no Helm release")
			require.ErrorContains(t, err, "  kubectl label services web --namespace portal --overwrite app.kubernetes.io/managed-by=Helm\n  kubectl annotate services web --namespace portal --overwrite meta.helm.sh/release-name=backstage meta.helm.sh/release-namespace=portal")
			require.ErrorContains(t, err, `Deployment/web belongs to the Helm release "other" in namespace "portal"`)
			require.ErrorContains(t, err, "kubectl label deployments.apps web")
			require.Empty(t, cluster.Writes(""))
		})
	}
}

func TestAKindThatComesTooLateIsRefusedWithItsPlace(t *testing.T) {
	const widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n---\n"
	const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec: {group: example.com, scope: Namespaced, names: {kind: Widget, plural: widgets}, versions: [{name: v1, served: true, storage: true}]}
`
	folder := func(t *testing.T, templates, crd string) string {
		dir := chartOf(t, templates)
		require.NoError(t, os.Mkdir(filepath.Join(dir, "crds"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "crds", "widget.yaml"), []byte(crd), 0o600))
		return dir
	}
	for name, c := range map[string]struct {
		before string // of an earlier revision, "" for none
		live   bool   // whether an older definition is there
		chart  func(*testing.T) string
		want   string // "" for accepted
	}{
		"in crds/, at a first install": {chart: func(t *testing.T) string { return folder(t, widget, crd) }},
		// https://github.com/helm/helm/issues/6581
		"in crds/, at an upgrade":                           {before: withSecret, chart: func(t *testing.T) string { return folder(t, widget, crd) }, want: "the chart has it in crds/widget.yaml, but Helm makes what is in crds with the first install only"},
		"in crds/, at a first install, where an old one is": {live: true, chart: func(t *testing.T) string { return folder(t, widget, crd) }, want: "never updates it"},
		"in crds/, in another version": {chart: func(t *testing.T) string {
			return folder(t, widget, strings.Replace(crd, "name: v1,", "name: v1beta1,", 1))
		}, want: "crds/widget.yaml of the chart does not serve this version either"},
		// https://github.com/prometheus-operator/prometheus-operator/issues/1866
		"in templates/": {chart: func(t *testing.T) string { return chartOf(t, widget+crd) }, want: "is in this very chart, in portal/templates/all.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			if c.before != "" {
				r.Chart = chartOf(t, c.before)
				apply(t, r, "zero")
			}
			if c.live {
				cluster.Put("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com", `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"}}`)
			}
			r.Chart = c.chart(t)
			_, err := r.Plan(t.Context(), image("one").Image())
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "[release/no-such-kind]")
			require.Equal(t, record.KindRefused, record.KindOf(err))
		})
	}
}

func TestADefinitionThatHelmDoesNotUpdateIsSaid(t *testing.T) {
	const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec: {group: example.com, scope: Namespaced, names: {kind: Widget, plural: widgets}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {size: {type: integer}}}}}]}
`
	for name, c := range map[string]struct {
		live string
		want int
	}{
		"the same":             {crd, 0},
		"an older schema":      {strings.Replace(crd, "{size: {type: integer}}", "{}", 1), 1},
		"without the version":  {strings.Replace(crd, "name: v1,", "name: v1beta1,", 1), 1},
		"with a status of its": {strings.Replace(crd, "\nspec:", "\nstatus: {storedVersions: [v1]}\nspec:", 1), 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			filesOf(t, r.Chart, map[string]string{"crds/widget.yaml": crd})
			cluster.Meet = func(w http.ResponseWriter, request *http.Request) bool {
				if request.Method != http.MethodGet || !strings.HasSuffix(request.URL.Path, "/widgets.example.com") {
					return false
				}
				asJSON, err := yaml.YAMLToJSON([]byte(c.live))
				assert.NoError(t, err)
				apiserver.Reply(w, http.StatusOK, json.RawMessage(asJSON))
				return true
			}
			plan, err := r.Plan(t.Context(), image("one").Image())
			require.NoError(t, err)
			require.Len(t, plan.Concerns, c.want)
		})
	}
}
