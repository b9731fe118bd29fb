package charts_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// asDeployed are the rows in which the system that make target leaves running differs
// on purpose from the defaults and from the drawing.
var asDeployed = map[int][]value{
	8:  {{deployment, "spec.replicas", 2.0}}, // so that a deploy harms no visitor
	25: {{deployment, container + "image", holding{"/backstage-production@sha256:"}}},
	57: {{ingress, "metadata.annotations.cert-manager~io/cluster-issuer", "short-lived"}}, // so that renewals are seen
	63: {{ingress, nginx + "proxy-body-size", "10m"}, {ingress, nginx + "proxy-buffer-size", "8k"},
		{ingress, nginx + "proxy-read-timeout", "300"}, {ingress, nginx + "proxy-send-timeout", "300"}},
}

// notDeployed are rows that make target tries in another way, or that are off there.
var notDeployed = map[int]string{
	59: "no object has it: the handshakes are tried",
	61: "there is nothing to set: the limits are tried",
	62: "optional: visitors need no certificate there",
	78: "off: the drawn quota has no room for the third pod of an update of two",
}

func TestTheLiveSystemHoldsEveryRequirement(t *testing.T) {
	if os.Getenv("E2E_LIVE") == "" {
		t.Skip("SKIPPED: no system runs (E2E_LIVE is not set); `make target` runs this test on the one that it deployed")
	}
	live := newServer(t).read(t, mustRender(t, publish))
	for _, r := range requirements {
		t.Run(fmt.Sprintf("%d %s", r.number, r.words), func(t *testing.T) {
			if why, found := notDeployed[r.number]; found {
				t.Log(why)
				return
			}
			values := r.held
			if len(values) == 0 {
				values = r.drawn
			}
			if others, found := asDeployed[r.number]; found {
				values = others
			}
			require.NotEmpty(t, values)
			holds(t, live, values)
		})
	}
}

// read gives the live objects of the same kinds and names.
func (s server) read(t *testing.T, documents map[string]document) map[string]document {
	t.Helper()
	live := map[string]document{}
	for key, d := range documents {
		o := unstructured.Unstructured{Object: d.object}
		client, err := s.of(o)
		require.NoError(t, err, key)
		found, err := client.Get(t.Context(), o.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) { // the pod of a test; a row that asks for it fails
			continue
		}
		require.NoError(t, err, key)
		live[key] = stored(t, found, d)
	}
	return live
}
