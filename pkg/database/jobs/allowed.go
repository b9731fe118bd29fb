package jobs

import (
	"context"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// rights are what a Job is made, followed and taken away with.
var rights = []authorizationv1.ResourceAttributes{
	{Verb: "create", Group: "batch", Resource: "jobs"},
	{Verb: "get", Group: "batch", Resource: "jobs"},
	{Verb: "delete", Group: "batch", Resource: "jobs"},
	{Verb: "list", Resource: "pods"},
	{Verb: "get", Resource: "pods", Subresource: "log"},
}

// Allowed refuses (database/no-job) where the user of the kubeconfig lacks rights that a
// Job takes: one whose log may not be read has ended without a word.
func Allowed(ctx context.Context, client kubernetes.Interface, namespace string) error {
	var missing []string
	for _, right := range rights {
		right.Namespace = namespace
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &right}}
		answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return apierror.Classify("asking the API server for permissions", err)
		}
		if !answer.Status.Allowed {
			missing = append(missing, right.Verb+" "+strings.TrimSuffix(right.Resource+"/"+right.Subresource, "/"))
		}
	}
	if len(missing) > 0 {
		return record.Refused("database/no-job", "the user of the kubeconfig may not, in namespace %s: %s, which a Job that works on the databases takes", namespace, strings.Join(missing, ", "))
	}
	return nil
}
