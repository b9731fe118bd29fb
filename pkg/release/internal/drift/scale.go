package drift

import (
	"context"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
)

// LeaveReplicas takes spec.replicas out of objects that exist and that an
// autoscaler scales, on both sides of Helm's patch, so that the live number
// stays. base is what a patch starts from, nil where none is sent.
func (c *Comparer) LeaveReplicas(ctx context.Context, target []*resource.Info, base func(*resource.Info) *resource.Info) error {
	targets, err := c.scaleTargets(ctx, target)
	if err != nil {
		return err
	}
	for _, info := range target {
		if !targets[scaleKey(info)] {
			continue
		}
		_, err := live.Get(info)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", live.Name(info), err)
		}
		sides := []*resource.Info{info}
		if base != nil {
			sides = append(sides, base(info))
		}
		for _, side := range sides {
			if object, err := live.Content(side.Object); err == nil {
				unstructured.RemoveNestedField(object.Object, "spec", "replicas")
			}
		}
	}
	return nil
}

// scaleTargets are the objects that the autoscalers of the chart, and those that
// others made in the same namespaces, scale.
func (c *Comparer) scaleTargets(ctx context.Context, target []*resource.Info) (map[string]bool, error) {
	targets, namespaces := map[string]bool{}, map[string]bool{}
	for _, info := range target {
		object, err := live.Content(info.Object)
		if err != nil {
			continue
		}
		if info.Mapping.GroupVersionKind.GroupKind() == (schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}) {
			ref, _, _ := unstructured.NestedStringMap(object.Object, "spec", "scaleTargetRef")
			targets[refKey(info.Namespace, ref["apiVersion"], ref["kind"], ref["name"])] = true
		}
		if _, found, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "template"); found {
			namespaces[info.Namespace] = true
		}
	}
	for namespace := range namespaces {
		others, err := c.liveScaleTargets(ctx, namespace, target)
		if err != nil {
			return nil, err
		}
		maps.Copy(targets, others)
	}
	return targets, nil
}

// liveScaleTargets reads the autoscalers of a namespace; KEDA's are among them.
// One that the release has made and makes no more is about to go.
func (c *Comparer) liveScaleTargets(ctx context.Context, namespace string, target []*resource.Info) (map[string]bool, error) {
	targets := map[string]bool{}
	list, err := c.Client.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		c.Log.Warn("horizontal pod autoscalers may not be listed: only those of the chart are respected", "namespace", namespace)
		return targets, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the autoscalers of namespace %q: %w", namespace, err)
	}
	for _, scaler := range list.Items {
		if c.Owner.Owns(&scaler) && !slices.ContainsFunc(target, func(i *resource.Info) bool {
			return i.Mapping.GroupVersionKind.Kind == "HorizontalPodAutoscaler" && i.Name == scaler.Name && i.Namespace == namespace
		}) {
			continue
		}
		ref := scaler.Spec.ScaleTargetRef
		targets[refKey(namespace, ref.APIVersion, ref.Kind, ref.Name)] = true
	}
	return targets, nil
}

func scaleKey(info *resource.Info) string {
	kind := info.Mapping.GroupVersionKind
	return refKey(info.Namespace, kind.GroupVersion().String(), kind.Kind, info.Name)
}

func refKey(namespace, apiVersion, kind, name string) string {
	group := schema.FromAPIVersionAndKind(apiVersion, kind).Group
	return namespace + "/" + group + "/" + kind + "/" + name
}
