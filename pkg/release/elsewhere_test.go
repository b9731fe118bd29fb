package release

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

// lensapp/lens#5332, k3s-io/helm-controller#318: whoever asks Secrets only sees no release.
func TestADriverOfHelmWhoseRecordsWouldNotBeSeenIsRefused(t *testing.T) {
	for _, driver := range []string{"", "secret", "secrets"} {
		require.NoError(t, Options{Name: "backstage", Driver: driver}.Check(), driver)
	}
	for _, driver := range []string{"configmap", "configmaps", "sql", "memory", "Secret"} {
		err := Options{Name: "backstage", Driver: driver}.Check()
		require.ErrorContains(t, err, "[release/helm-driver]", driver)
		require.Equal(t, record.KindInput, record.KindOf(err))
	}
}

const recordInMap = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"sh.helm.release.v1.backstage.v3","namespace":"portal",
	"labels":{"owner":"helm","name":"backstage","version":"3","status":"deployed"}},"data":{"release":"H4sI"}}`

// A laptop deployed with HELM_DRIVER=configmap, the pipeline knows nothing of it.
func TestAReleaseWithRecordsInConfigMapsIsNoFirstInstall(t *testing.T) {
	r, cluster := open(t)
	cluster.Put("/api/v1/namespaces/portal/configmaps/sh.helm.release.v1.backstage.v3", recordInMap)
	_, history := r.History(t.Context())
	_, plan := r.Plan(t.Context(), image("one").Image())
	_, applied := r.Apply(t.Context(), image("one"))
	for _, err := range []error{history, plan, applied} {
		require.ErrorContains(t, err, "ConfigMap/sh.helm.release.v1.backstage.v3")
		require.ErrorContains(t, err, "[release/helm-driver]")
		require.Equal(t, record.KindRefused, record.KindOf(err))
	}
	require.Nil(t, cluster.Object(deploymentPath), "nothing was applied")
}

func TestRecordsInConfigMapsAreOfNoAccountWhereThereAreSecrets(t *testing.T) {
	r, cluster := open(t)
	apply(t, r, "one")
	cluster.Put("/api/v1/namespaces/portal/configmaps/sh.helm.release.v1.backstage.v3", recordInMap)
	require.Equal(t, 2, apply(t, r, "two").Revision.Number)
}

func TestWhoMayNotListConfigMapsInstalls(t *testing.T) {
	r, cluster := open(t)
	cluster.Meet = func(w http.ResponseWriter, request *http.Request) bool {
		if !strings.HasSuffix(request.URL.Path, "/configmaps") {
			return false
		}
		apiserver.Refusal(w, apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", nil).Status())
		return true
	}
	require.Equal(t, 1, apply(t, r, "one").Revision.Number)
}
