package forecast

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// lossTimeout bounds looking for what a custom resource owns.
const lossTimeout = 2 * time.Second

// Deletion says what would go with a live object.
func Deletion(ctx context.Context, client kubernetes.Interface, object *unstructured.Unstructured) record.Deletion {
	kind := object.GroupVersionKind()
	return record.Deletion{
		Group: kind.Group, Kind: kind.Kind, Namespace: object.GetNamespace(), Name: object.GetName(), Loss: loss(ctx, client, object),
	}
}

// loss is what ends with an object: data, or pods that serve. What does not run
// is lost without anybody noticing.
func loss(ctx context.Context, client kubernetes.Interface, object *unstructured.Unstructured) string {
	status := manifest.MapOf(object.Object["status"])
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
		return dependents(ctx, client, object)
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
func dependents(ctx context.Context, client kubernetes.Interface, object *unstructured.Unstructured) string {
	ctx, cancel := context.WithTimeout(ctx, lossTimeout)
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
	if list, err := client.CoreV1().PersistentVolumeClaims(namespace).List(ctx, all); err == nil {
		for _, claim := range list.Items {
			if owned(claim.OwnerReferences, object.GetUID()) {
				claims++
			}
		}
	}
	if list, err := client.AppsV1().StatefulSets(namespace).List(ctx, all); err == nil {
		for _, set := range list.Items {
			if owned(set.OwnerReferences, object.GetUID()) && set.Status.ReadyReplicas > 0 {
				workloads++
			}
		}
	}
	if list, err := client.AppsV1().Deployments(namespace).List(ctx, all); err == nil {
		for _, deployment := range list.Items {
			if owned(deployment.OwnerReferences, object.GetUID()) && deployment.Status.ReadyReplicas > 0 {
				workloads++
			}
		}
	}
	if list, err := client.CoreV1().Pods(namespace).List(ctx, all); err == nil {
		for _, pod := range list.Items {
			if owned(pod.OwnerReferences, object.GetUID()) && pod.Status.Phase == "Running" {
				workloads++
			}
		}
	}
	return joined(lossIf(claims > 0, fmt.Sprintf("the data in %d claims that its operator made", claims)),
		lossIf(workloads > 0, fmt.Sprintf("%d workloads that its operator runs", workloads)))
}
