package jobs

import (
	"context"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// MayMake asks whether a Job could be made, and makes none: it refuses (database/no-job)
// where the API server would. Doing is what the Job does: "dumps the databases".
func MayMake(ctx context.Context, client kubernetes.Interface, job *batchv1.Job, doing string) error {
	_, err := client.BatchV1().Jobs(job.Namespace).Create(ctx, job, metav1.CreateOptions{FieldManager: "stagecrew", DryRun: []string{metav1.DryRunAll}})
	switch {
	case apierrors.IsAlreadyExists(err): // of a run before, which this one would replace
		return nil
	case apierrors.IsForbidden(err):
		return record.Refused("database/no-job", "a Job that %s may not be made: %s", doing, apierror.Message(err))
	}
	return apierror.Classify("asking for a Job that "+doing, err)
}
