package forecast

import (
	"context"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
)

const (
	// admissionTimeout bounds the question about one workload's pods: policies that look at
	// signatures ask a registry.
	admissionTimeout = 10 * time.Second
	// longestPrefix of a pod's name is what fits with what a controller adds to it.
	longestPrefix = 40
)

// controllers make the pods of a workload, by its kind: policies tell pods that nobody has
// put there by hand by their owner.
var controllers = map[string]metav1.OwnerReference{
	"Deployment.apps":  {APIVersion: "apps/v1", Kind: "ReplicaSet"},
	"StatefulSet.apps": {APIVersion: "apps/v1", Kind: "StatefulSet"},
	"DaemonSet.apps":   {APIVersion: "apps/v1", Kind: "DaemonSet"},
	"ReplicaSet.apps":  {APIVersion: "apps/v1", Kind: "ReplicaSet"},
	"Job.batch":        {APIVersion: "batch/v1", Kind: "Job"},
	"CronJob.batch":    {APIVersion: "batch/v1", Kind: "Job"},
}

// MakesPods reports whether an object is of a kind whose pods can be tried.
func MakesPods(o *unstructured.Unstructured) bool {
	_, found := controllers[o.GroupVersionKind().GroupKind().String()]
	return found
}

// PodRefusal is why a policy of the cluster would not let in a pod of a workload, in the
// policy's own words: PodSecurity, a ValidatingAdmissionPolicy or a webhook such as Kyverno's.
// They look at pods when a controller makes one, and take the workload itself as it is
// (https://github.com/kyverno/kyverno/issues/10144). "" where they would, or where that
// cannot be tried: a dry run of a pod needs the permission to create one, and says of a policy
// that goes by who makes it only what it thinks of the user of the kubeconfig.
func PodRefusal(ctx context.Context, client kubernetes.Interface, workload *unstructured.Unstructured) string {
	pod, found := podOf(workload)
	if !found {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()
	_, err := client.CoreV1().Pods(workload.GetNamespace()).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err == nil || !apierror.IsPolicy(err.Error()) {
		return ""
	}
	return apierror.Message(err)
}

// podOf is a pod as the controller of a workload would make it.
func podOf(workload *unstructured.Unstructured) (*corev1.Pod, bool) {
	owner, found := controllers[workload.GroupVersionKind().GroupKind().String()]
	written, hasTemplate, _ := unstructured.NestedMap(workload.Object, live.TemplateOf(workload.GetKind())...) // the dry run has told about another type
	var template corev1.PodTemplateSpec
	if !found || !hasTemplate || runtime.DefaultUnstructuredConverter.FromUnstructured(written, &template) != nil {
		return nil, false
	}
	owner.Name, owner.UID, owner.Controller = workload.GetName(), workload.GetUID(), new(true)
	if owner.UID == "" {
		owner.UID = types.UID("00000000-0000-0000-0000-000000000000") // there must be one
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: template.Labels, Annotations: template.Annotations, Namespace: workload.GetNamespace(), OwnerReferences: []metav1.OwnerReference{owner}}, Spec: template.Spec}
	pod.GenerateName = strings.TrimRight(owner.Name[:min(len(owner.Name), longestPrefix)], "-.") + "-"
	if workload.GetKind() == "StatefulSet" {
		pod.Spec.Volumes = append(pod.Spec.Volumes, claimsOf(workload)...)
	}
	return pod, true
}

// claimsOf are the volumes that the controller of a StatefulSet adds to its first pod.
func claimsOf(workload *unstructured.Unstructured) (all []corev1.Volume) {
	var set appsv1.StatefulSet
	if runtime.DefaultUnstructuredConverter.FromUnstructured(workload.Object, &set) != nil {
		return nil
	}
	for _, claim := range set.Spec.VolumeClaimTemplates {
		all = append(all, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + set.Name + "-0"}}})
	}
	return all
}
