package release

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

const reading = "apiVersion: things.example.com/v1\nkind: Reading\nmetadata: {name: web}\n"

// helm/helm#6361, helm/helm#6439, kubernetes/kubernetes#72051, rancher/rancher#29031: an aggregated
// API whose service is down leaves its kinds out of every list.
func TestAKindOfAnAPIThatDoesNotAnswerIsNotUnknown(t *testing.T) {
	down := func(w http.ResponseWriter, request *http.Request) bool {
		if request.URL.Path != "/apis/things.example.com/v1" {
			return false
		}
		apiserver.Refusal(w, apierrors.NewServiceUnavailable("the server is currently unable to handle the request").Status())
		return true
	}
	r, cluster := open(t)
	cluster.Meet = down
	r.Chart = chartOf(t, web+"---\n"+reading)
	for name, do := range map[string]func() error{
		"plan":  func() error { _, err := r.Plan(t.Context(), image("one").Image()); return err },
		"apply": func() error { _, err := r.Apply(t.Context(), image("one")); return err },
	} {
		t.Run(name, func(t *testing.T) {
			err := do()
			require.Equal(t, record.KindUnavailable, record.KindOf(err), err)
			require.Equal(t, "release/api-unavailable", record.CodeOf(err))
			require.ErrorContains(t, err, "the API things.example.com/v1, of which the kind Reading is, does not answer: the server is currently unable to handle the request; look at APIService/v1.things.example.com")
			require.NotContains(t, err.Error(), "CustomResourceDefinition")
			require.Empty(t, cluster.Writes(""))
		})
	}
	// An object of a record is not gone with its kind either.
	_, err := r.helm.client.Build(strings.NewReader(reading), false)
	require.Equal(t, "release/api-unavailable", record.CodeOf(err))
	cluster.Meet = nil
	found, err := r.helm.client.Build(strings.NewReader(reading), false)
	require.NoError(t, err)
	require.Empty(t, found)
}
