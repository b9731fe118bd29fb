package release

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	helmkube "helm.sh/helm/v3/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubectl/pkg/validation"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

// documents are those of OpenAPI that a cluster was asked for.
func documents(cluster *apiserver.API) func() []string {
	var mu sync.Mutex
	var asked []string
	meet := cluster.Meet
	cluster.Meet = func(w http.ResponseWriter, request *http.Request) bool {
		if document, found := strings.CutPrefix(request.URL.Path, "/openapi/v3/"); found {
			mu.Lock()
			asked = append(asked, document)
			mu.Unlock()
		}
		return meet != nil && meet(w, request)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return asked
	}
}

// kubernetes/kubernetes#127095, kubernetes/kubectl#1682, istio-ecosystem/sail-operator#2238,
// kubernetes-sigs/kubebuilder-declarative-pattern#89: megabytes of schemas are read and parsed for each kind of a manifest.
func TestADeployReadsOneSmallDocumentOfOpenAPI(t *testing.T) {
	r, cluster := open(t)
	asked := documents(cluster)
	apply(t, r, "one")
	require.Equal(t, []string{"apis/coordination.k8s.io/v1"}, asked())
}

// kubernetes/kubectl#886, helm/helm#9601, gdcc/dataverse-kubernetes#193, kubernetes/website#14189.
func TestAKeyInAnotherCaseIsNamedBeforeAnythingIsChanged(t *testing.T) {
	for key, template := range map[string]string{
		"apiVersion": "apiversion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n",
		"kind":       "apiVersion: v1\nKind: ConfigMap\nmetadata: {name: settings}\n",
	} {
		t.Run(key, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = chartOf(t, template)
			_, err := r.Apply(t.Context(), image("one"))
			require.ErrorContains(t, err, key+" not set")
			require.ErrorContains(t, err, "settings", "which object it is")
			require.Equal(t, record.KindInput, record.KindOf(err), "%v", err)
			require.Empty(t, cluster.Writes(""))
		})
	}
}

type helmsOwn struct{ helmkube.Factory }

var errHelms = errors.New("by Helm")

func (helmsOwn) ValidateBytes([]byte) error { return errHelms }

func (h helmsOwn) Validator(directive string) (validation.Schema, error) {
	if directive == metav1.FieldValidationIgnore {
		return validation.NullSchema{}, nil
	}
	return h, nil
}

// What the server does not validate, Helm does, as before.
func TestFactory_Validator_LeavesToTheServerWhatItValidates(t *testing.T) {
	const deployment = `{"apiVersion": "apps/v1", "kind": "Deployment"}`
	none := func(w http.ResponseWriter) {
		apiserver.Refusal(w, metav1.Status{Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound})
	}
	without := func(w http.ResponseWriter) {
		apiserver.Reply(w, http.StatusOK, map[string]any{"openapi": "3.0.0", "info": map[string]string{}, "paths": map[string]any{
			"/apis/coordination.k8s.io/v1/leases/{name}": map[string]any{"patch": map[string]any{
				"x-kubernetes-group-version-kind": map[string]string{"group": "coordination.k8s.io", "version": "v1", "kind": "Lease"},
			}},
		}})
	}
	lease := []string{"apis/coordination.k8s.io/v1"}
	for name, c := range map[string]struct {
		object    string
		answer    func(http.ResponseWriter) // to who asks for a document
		directive string
		want      error
		asked     []string
	}{
		"a kind of Kubernetes":            {object: deployment, asked: lease},
		"on a server that does not":       {object: deployment, answer: without, want: errHelms, asked: lease},
		"on a server without documents":   {object: deployment, answer: none, want: errHelms, asked: lease},
		"which nobody wants":              {object: deployment, directive: metav1.FieldValidationIgnore},
		"a kind of others":                {object: `{"apiVersion": "example.com/v1", "kind": "Deployment"}`, want: errHelms, asked: lease},
		"a version that never was":        {object: `{"apiVersion": "apps/v7", "kind": "Deployment"}`, want: errHelms, asked: lease},
		"a List, which has others within": {object: `{"apiVersion": "v1", "kind": "List", "items": []}`, want: errHelms, asked: lease},
		"a list of one kind":              {object: `{"apiVersion": "apps/v1", "kind": "ReplicaSetList", "items": []}`, want: errHelms, asked: lease},
		"no kind":                         {object: `{"apiVersion": "v1"}`, want: errHelms, asked: lease},
		"a key in another case":           {object: `{"apiversion": "apps/v1", "kind": "Deployment"}`, want: errHelms, asked: lease},
		"another one":                     {object: `{"apiVersion": "apps/v1", "Kind": "Deployment"}`, want: errHelms, asked: lease},
		"a kind that is no text":          {object: `{"apiVersion": "v1", "kind": 1}`, want: errHelms, asked: lease},
		"no object":                       {object: `[]`, want: errHelms, asked: lease},
	} {
		t.Run(name, func(t *testing.T) {
			_, cluster := open(t)
			cluster.Meet = func(w http.ResponseWriter, request *http.Request) bool {
				if c.answer == nil || !strings.HasPrefix(request.URL.Path, "/openapi/v3/") {
					return false
				}
				c.answer(w)
				return true
			}
			asked := documents(cluster)
			f := &factory{Factory: helmsOwn{helmkube.New(cluster.Getter()).Factory}, cluster: cluster.Getter()}
			for range 2 { // the plan and the change
				schema, err := f.Validator(cmp.Or(c.directive, metav1.FieldValidationStrict))
				require.NoError(t, err)
				require.Equal(t, c.want, schema.ValidateBytes([]byte(c.object)))
			}
			require.Equal(t, c.asked, asked())
		})
	}
}
