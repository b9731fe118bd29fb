package forecast

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// ScaledAway are the claims that go because a StatefulSet gets fewer replicas and is to
// delete those of the pods that end (https://github.com/kubernetes/enhancements/issues/1847).
func ScaledAway(ctx context.Context, client kubernetes.Interface, before, after *unstructured.Unstructured) []record.Deletion {
	if after.GroupVersionKind().GroupKind().String() != "StatefulSet.apps" {
		return nil
	}
	var from, to appsv1.StatefulSet
	convert := runtime.DefaultUnstructuredConverter.FromUnstructured
	if convert(before.Object, &from) != nil || convert(after.Object, &to) != nil {
		return nil // the dry run has told about what does not fit
	}
	policy := to.Spec.PersistentVolumeClaimRetentionPolicy
	if policy == nil || policy.WhenScaled != appsv1.DeletePersistentVolumeClaimRetentionPolicyType {
		return nil
	}
	why := fmt.Sprintf("StatefulSet/%s gets %d instead of %d replicas, and its persistentVolumeClaimRetentionPolicy says whenScaled: Delete", to.Name, replicas(to), replicas(from))
	var gone []record.Deletion
	for ordinal := replicas(to); ordinal < replicas(from); ordinal++ {
		for _, template := range to.Spec.VolumeClaimTemplates {
			name := fmt.Sprintf("%s-%s-%d", template.Name, to.Name, start(to)+ordinal)
			if _, err := client.CoreV1().PersistentVolumeClaims(to.Namespace).Get(ctx, name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
				continue
			}
			gone = append(gone, record.Deletion{Kind: "PersistentVolumeClaim", Namespace: to.Namespace, Name: name, Loss: "the data in it", Why: why})
		}
	}
	return gone
}

// replicas is 1 when it is not set, as the API server's default.
func replicas(set appsv1.StatefulSet) int32 {
	if set.Spec.Replicas == nil {
		return 1
	}
	return *set.Spec.Replicas
}

// start is the ordinal of the first pod.
func start(set appsv1.StatefulSet) int32 {
	if set.Spec.Ordinals == nil {
		return 0
	}
	return set.Spec.Ordinals.Start
}
