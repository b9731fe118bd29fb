package forecast

import (
	"context"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/workload"
)

const (
	// admissionTimeout bounds the question about one workload's pods: policies that look at
	// signatures ask a registry.
	admissionTimeout = 10 * time.Second
	// longestPrefix of a pod's name is what fits with what a controller adds to it.
	longestPrefix = 40
)

// MakesPods reports whether an object is of a kind whose pods can be tried; a pod is
// tried as itself.
func MakesPods(o *unstructured.Unstructured) bool {
	kind, known := workload.Of(o.GroupVersionKind().GroupKind())
	return known && kind.Owner.Kind != ""
}

// PodRefusal is why a policy of the cluster would not let in a pod of a workload, in the
// policy's own words: PodSecurity, a ValidatingAdmissionPolicy or a webhook such as Kyverno's.
// They look at pods when a controller makes one, and take the workload itself as it is
// (https://github.com/kyverno/kyverno/issues/10144). "" where they would, or where that
// cannot be tried: a dry run of a pod needs the permission to create one, and says of a policy
// that goes by who makes it only what it thinks of the user of the kubeconfig.
func PodRefusal(ctx context.Context, client kubernetes.Interface, o *unstructured.Unstructured) string {
	pod, found := podOf(o)
	if !found {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()
	_, err := client.CoreV1().Pods(o.GetNamespace()).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err == nil || !apierror.IsPolicy(err.Error()) {
		return ""
	}
	return apierror.Message(err)
}

// podOf is a pod as the controller of a workload would make it: policies tell by the
// owner that a pod was not made by hand.
func podOf(o *unstructured.Unstructured) (*corev1.Pod, bool) {
	kind, _ := workload.Of(o.GroupVersionKind().GroupKind())
	typed, err := workload.Read(o)
	if err != nil || !MakesPods(o) {
		return nil, false // the dry run has told about one that does not fit
	}
	pods, err := workload.PodsOf(typed)
	owner := kind.Owner
	owner.Name, owner.UID, owner.Controller = o.GetName(), o.GetUID(), new(true)
	if owner.UID == "" {
		owner.UID = types.UID("00000000-0000-0000-0000-000000000000") // there must be one
	}
	meta := metav1.ObjectMeta{Labels: pods.Template.Labels, Annotations: pods.Template.Annotations, Namespace: o.GetNamespace(), OwnerReferences: []metav1.OwnerReference{owner}}
	meta.GenerateName = strings.TrimRight(owner.Name[:min(len(owner.Name), longestPrefix)], "-.") + "-"
	pod := &corev1.Pod{ObjectMeta: meta, Spec: pods.Template.Spec}
	if set, ok := typed.(*appsv1.StatefulSet); ok {
		pod.Spec.Volumes = append(pod.Spec.Volumes, claimsOf(set)...)
	}
	return pod, err == nil
}

// claimsOf are the volumes that the controller of a StatefulSet adds to its first pod.
func claimsOf(set *appsv1.StatefulSet) (all []corev1.Volume) {
	for _, claim := range set.Spec.VolumeClaimTemplates {
		all = append(all, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + set.Name + "-0"}}})
	}
	return all
}
