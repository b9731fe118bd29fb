package drift

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
	"github.com/stagecrew/stagecrew/pkg/workload"
)

// fieldReplicas is the number of pods that an object wants.
const fieldReplicas = "spec.replicas"

// numbers are the pods that the manifest's workloads ask for, by [key]; 1 where it
// says nothing, as the API server's default. What has no number is left out.
func numbers(wanted []*resource.Info) map[string]int64 {
	all := map[string]int64{}
	for _, info := range wanted {
		object, err := live.Content(info.Object)
		if err != nil || !hasNumber(object) {
			continue
		}
		all[live.Key(info)] = number(object, 1, "spec", "replicas")
	}
	return all
}

func hasNumber(o *unstructured.Unstructured) bool {
	kind, _ := workload.Of(o.GroupVersionKind().GroupKind())
	return kind.Replicas
}

// number reads a field, or gives what counts where it is not set.
func number(o *unstructured.Unstructured, unset int64, path ...string) int64 {
	value, found, err := unstructured.NestedInt64(o.Object, path...)
	if !found || err != nil {
		return unset
	}
	return value
}

func differsIn(change *record.Change, field string) bool {
	return slices.ContainsFunc(change.Differences, func(d record.Difference) bool { return d.Field == field })
}

// scaledToZero adds to how a workload differs that it was scaled to zero, which neither
// the manifest nor an autoscaler says. Any other number is no difference where the
// manifest leaves it open.
func (c *Comparer) scaledToZero(ctx context.Context, change *record.Change, info *resource.Info, found *unstructured.Unstructured, asked int64, target []*resource.Info) (*record.Change, error) {
	if found == nil || change != nil && (change.Action != record.ActionUpdate || differsIn(change, fieldReplicas)) || number(found, 1, "spec", "replicas") != 0 {
		return change, nil
	}
	least, scales, err := c.leastPods(ctx, info, target)
	if err != nil {
		return change, err
	}
	if scales {
		asked = least
	}
	if asked == 0 {
		return change, nil
	}
	open := record.Difference{Field: fieldReplicas, Live: "0", Manifest: fmt.Sprint(asked), Open: true}
	if change != nil {
		change.Fields += ", " + fieldReplicas
		change.Differences = append(change.Differences, open)
		return change, nil
	}
	should := found.DeepCopy()
	if err := unstructured.SetNestedField(should.Object, asked, "spec", "replicas"); err != nil {
		return nil, fmt.Errorf("comparing %s: %w", live.Name(info), err)
	}
	return &record.Change{Object: live.Name(info), Action: record.ActionUpdate, Fields: fieldReplicas, Differences: []record.Difference{open},
		Diff: objectdiff.Unified("live", "manifest", found, should)}, nil
}

// leastPods is the number that the workload's autoscaler never goes below; false
// without one.
func (c *Comparer) leastPods(ctx context.Context, info *resource.Info, target []*resource.Info) (least int64, scales bool, err error) {
	for _, other := range target {
		object, err := live.Content(other.Object)
		if err == nil && other.Namespace == info.Namespace && object.GetKind() != "HorizontalPodAutoscaler" && takesOver(object, info) {
			return number(object, 0, "spec", "minReplicaCount"), true, nil
		}
	}
	list, err := c.Client.AutoscalingV2().HorizontalPodAutoscalers(info.Namespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		return c.leastOfChart(info, target)
	}
	if err != nil {
		return 0, false, fmt.Errorf("listing the autoscalers of namespace %q: %w", info.Namespace, err)
	}
	for _, scaler := range list.Items {
		ref := scaler.Spec.ScaleTargetRef
		switch {
		case refKey(info.Namespace, ref.APIVersion, ref.Kind, ref.Name) != scaleKey(info):
		case metav1.GetControllerOf(&scaler) != nil:
			return 0, true, nil // KEDA's: it goes from one pod to none by itself
		case scaler.Spec.MinReplicas == nil:
			return 1, true, nil
		default:
			return int64(*scaler.Spec.MinReplicas), true, nil
		}
	}
	return 0, false, nil
}

// leastOfChart asks the chart's own autoscalers, for who may not list the live ones.
func (c *Comparer) leastOfChart(info *resource.Info, target []*resource.Info) (least int64, scales bool, err error) {
	for _, other := range target {
		object, err := live.Content(other.Object)
		if err == nil && other.Namespace == info.Namespace && object.GetKind() == "HorizontalPodAutoscaler" && takesOver(object, info) {
			return number(object, 1, "spec", "minReplicas"), true, nil
		}
	}
	return 0, false, nil
}

// takesOver reports whether an object scales the workload: an autoscaler, KEDA's
// ScaledObject, an Argo Rollout that took its pods over.
func takesOver(object *unstructured.Unstructured, info *resource.Info) bool {
	for _, field := range []string{"scaleTargetRef", "workloadRef"} {
		ref, _, _ := unstructured.NestedMap(object.Object, "spec", field) // another type names nothing
		kind, named := ref["kind"].(string)
		if ref["name"] == info.Name && (!named || kind == info.Mapping.GroupVersionKind.Kind) {
			return true
		}
	}
	return false
}
