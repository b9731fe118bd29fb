package jobs

import (
	"testing"

	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestWhatAJobTakesIsAskedFor(t *testing.T) {
	client, denied := fake.NewClientset(), ""
	client.PrependReactor("create", "selfsubjectaccessreviews", func(action kubetesting.Action) (bool, runtime.Object, error) {
		review := action.(kubetesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview)
		asked := review.Spec.ResourceAttributes
		review.Status.Allowed = asked.Namespace == "prod" && asked.Subresource != denied
		return true, review, nil
	})
	denied = "log"
	err := Allowed(t.Context(), client, "prod")
	require.Equal(t, "database/no-job", record.CodeOf(err))
	require.ErrorContains(t, err, "may not, in namespace prod: get pods/log, which")
	denied = "none"
	require.NoError(t, Allowed(t.Context(), client, "prod"))
}
