package release

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	helmkube "helm.sh/helm/v3/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubectl/pkg/validation"

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
		all := asked
		asked = nil
		return all
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
	for name, c := range map[string]struct {
		object string
		old    bool // the server
		ignore bool
		want   error
	}{
		"a kind of Kubernetes":            {object: `{"apiVersion": "apps/v1", "kind": "Deployment"}`},
		"on a server that does not":       {object: `{"apiVersion": "apps/v1", "kind": "Deployment"}`, old: true, want: errHelms},
		"which nobody wants":              {object: `{"apiVersion": "apps/v1", "kind": "Deployment"}`, old: true, ignore: true},
		"a kind of others":                {object: `{"apiVersion": "example.com/v1", "kind": "Deployment"}`, want: errHelms},
		"a version that never was":        {object: `{"apiVersion": "apps/v7", "kind": "Deployment"}`, want: errHelms},
		"a List, which has others within": {object: `{"apiVersion": "v1", "kind": "List", "items": []}`, want: errHelms},
		"a list of one kind":              {object: `{"apiVersion": "apps/v1", "kind": "ReplicaSetList", "items": []}`, want: errHelms},
		"no kind":                         {object: `{"apiVersion": "v1"}`, want: errHelms},
		"a kind that is no text":          {object: `{"apiVersion": "v1", "kind": 1}`, want: errHelms},
		"no object":                       {object: `[]`, want: errHelms},
	} {
		t.Run(name, func(t *testing.T) {
			_, cluster := open(t)
			if c.old {
				cluster.Meet = func(w http.ResponseWriter, request *http.Request) bool {
					if !strings.HasPrefix(request.URL.Path, "/openapi/v3") {
						return false
					}
					apiserver.Refusal(w, metav1.Status{Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound})
					return true
				}
			}
			directive := metav1.FieldValidationStrict
			if c.ignore {
				directive = metav1.FieldValidationIgnore
			}
			schema, err := (&factory{Factory: helmsOwn{helmkube.New(cluster.Getter()).Factory}, cluster: cluster.Getter()}).Validator(directive)
			require.NoError(t, err)
			require.Equal(t, c.want, schema.ValidateBytes([]byte(c.object)))
		})
	}
}
