package release

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// deletion says what would go with a live object.
func (t *trial) deletion(object *unstructured.Unstructured) record.Deletion {
	kind := object.GroupVersionKind()
	return record.Deletion{
		Group: kind.Group, Kind: kind.Kind, Namespace: object.GetNamespace(), Name: object.GetName(), Loss: t.loss(object),
	}
}

// loss is what ends with an object: data, or pods that serve. What does not run
// is lost without anybody noticing.
func (t *trial) loss(object *unstructured.Unstructured) string {
	status := mapOf(object.Object["status"])
	switch object.GroupVersionKind().GroupKind().String() {
	case "PersistentVolumeClaim", "PersistentVolume", "VolumeSnapshot.snapshot.storage.k8s.io":
		return "the data in it"
	case "Namespace":
		return "everything in it"
	case "CustomResourceDefinition.apiextensions.k8s.io":
		return "all objects of its kind"
	case "StatefulSet.apps":
		retention, _, _ := unstructured.NestedString(object.Object, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") // "" is the default
		templates, _, _ := unstructured.NestedSlice(object.Object, "spec", "volumeClaimTemplates")                                 // none are none
		return joined(pods(status["readyReplicas"]), lossIf(retention == "Delete" && len(templates) > 0, "the data in its claims"))
	case "Deployment.apps", "ReplicaSet.apps", "ReplicationController":
		return pods(status["readyReplicas"])
	case "DaemonSet.apps":
		return pods(status["numberReady"])
	case "Pod":
		return lossIf(status["phase"] == "Running", "the pod, which runs")
	}
	if strings.Contains(object.GroupVersionKind().Group, ".") && !strings.HasSuffix(object.GroupVersionKind().Group, ".k8s.io") {
		return t.dependents(object)
	}
	return ""
}

func pods(ready any) string {
	n, _ := ready.(int64)
	if n == 1 {
		return "its ready pod"
	}
	return lossIf(n > 1, fmt.Sprintf("its %d ready pods", n))
}

func lossIf(is bool, loss string) string {
	if is {
		return loss
	}
	return ""
}

func joined(losses ...string) string {
	return strings.Join(nonEmpty(losses), " and ")
}

func nonEmpty(texts []string) []string {
	var result []string
	for _, text := range texts {
		if text != "" {
			result = append(result, text)
		}
	}
	return result
}

// dependents is what Kubernetes removes with a custom resource: what its operator
// made and put into its hands.
func (t *trial) dependents(object *unstructured.Unstructured) string {
	ctx, cancel := context.WithTimeout(t.ctx, hookLogTimeout)
	defer cancel()
	namespace, all := object.GetNamespace(), metav1.ListOptions{}
	owned := func(owners []metav1.OwnerReference, by types.UID) bool {
		for _, owner := range owners {
			if owner.UID == by {
				return true
			}
		}
		return false
	}
	claims, workloads := 0, 0
	if list, err := t.typed.CoreV1().PersistentVolumeClaims(namespace).List(ctx, all); err == nil {
		for _, claim := range list.Items {
			if owned(claim.OwnerReferences, object.GetUID()) {
				claims++
			}
		}
	}
	if list, err := t.typed.AppsV1().StatefulSets(namespace).List(ctx, all); err == nil {
		for _, set := range list.Items {
			if owned(set.OwnerReferences, object.GetUID()) && set.Status.ReadyReplicas > 0 {
				workloads++
			}
		}
	}
	if list, err := t.typed.AppsV1().Deployments(namespace).List(ctx, all); err == nil {
		for _, deployment := range list.Items {
			if owned(deployment.OwnerReferences, object.GetUID()) && deployment.Status.ReadyReplicas > 0 {
				workloads++
			}
		}
	}
	if list, err := t.typed.CoreV1().Pods(namespace).List(ctx, all); err == nil {
		for _, pod := range list.Items {
			if owned(pod.OwnerReferences, object.GetUID()) && pod.Status.Phase == "Running" {
				workloads++
			}
		}
	}
	return joined(lossIf(claims > 0, fmt.Sprintf("the data in %d claims that its operator made", claims)),
		lossIf(workloads > 0, fmt.Sprintf("%d workloads that its operator runs", workloads)))
}

// oneWay says why a rollback could not undo a change of an object; "" when it
// can, as far as the object tells.
func oneWay(before, after *unstructured.Unstructured) string {
	switch after.GroupVersionKind().GroupKind().String() {
	case "PersistentVolumeClaim":
		return grown(before, after)
	case "CustomResourceDefinition.apiextensions.k8s.io":
		from, to := storageVersion(before), storageVersion(after)
		return lossIf(from != "" && from != to, fmt.Sprintf("objects are stored as %s from now on, no longer as %s, and the API server refuses a definition without a version that objects are stored in", to, from))
	case "Secret", "ConfigMap":
		return lossIf(before.Object["immutable"] != true && after.Object["immutable"] == true, "it becomes immutable, so that its content cannot be put back")
	}
	return ""
}

// grown compares the sizes of a claim: it can only become larger
// (https://github.com/helm/helm/issues/11359).
func grown(before, after *unstructured.Unstructured) string {
	size := func(claim *unstructured.Unstructured) (string, resource.Quantity) {
		text, _, _ := unstructured.NestedString(claim.Object, "spec", "resources", "requests", "storage") // "" is no size
		quantity, err := resource.ParseQuantity(text)
		if err != nil {
			return "", resource.Quantity{}
		}
		return text, quantity
	}
	from, was := size(before)
	to, becomes := size(after)
	return lossIf(from != "" && to != "" && becomes.Cmp(was) > 0, fmt.Sprintf("it grows from %s to %s, and a claim cannot shrink", from, to))
}

func storageVersion(definition *unstructured.Unstructured) string {
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions") // none are none
	for _, version := range versions {
		if fields := mapOf(version); fields["storage"] == true {
			name, _ := fields["name"].(string)
			return name
		}
	}
	return ""
}
