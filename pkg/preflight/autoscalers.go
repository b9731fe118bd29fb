package preflight

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// autoscalers looks for those that have nothing to scale: they say so in their status
// only, for ever.
func (c *check) autoscalers(ctx context.Context) {
	for _, o := range c.objects {
		kind, name := scaled(o)
		if name == "" || slices.ContainsFunc(c.objects, func(other object) bool {
			return other.GetKind() == kind && other.GetName() == name && other.GetNamespace() == o.GetNamespace()
		}) {
			continue
		}
		there, known := c.scalable(ctx, o.GetNamespace(), kind)
		if known && !slices.Contains(there, kind+"/"+name) {
			c.nowhere(o, "spec.scaleTargetRef", kind+"/"+name, o.GetNamespace(), there)
		}
	}
}

// scaled is what a HorizontalPodAutoscaler, or a ScaledObject of KEDA, scales; its
// name is "" for another object.
func scaled(o object) (kind, name string) {
	target, _, _ := unstructured.NestedMap(o.Object, "spec", "scaleTargetRef") // another type counts as none
	name, _ = target["name"].(string)
	if kind, _ = target["kind"].(string); kind == "" {
		kind = "Deployment" // KEDA's default
	}
	return kind, name
}

// scalable are the objects of Kubernetes' own kinds that there will be, those of the
// manifest and the live ones of that kind; false where it cannot be told.
func (c *check) scalable(ctx context.Context, namespace, kind string) (all []string, known bool) {
	live, err := c.liveNames(ctx, namespace, kind)
	if err != nil {
		return nil, false
	}
	for _, name := range live {
		if _, goes := c.deletes(namespace, reference{kind: kind, name: name}); !goes {
			all = append(all, kind+"/"+name)
		}
	}
	for _, o := range c.objects {
		if slices.Contains([]string{"Deployment", "StatefulSet"}, o.GetKind()) && o.GetNamespace() == namespace {
			all = append(all, o.name())
		}
	}
	slices.Sort(all)
	return slices.Compact(all), true
}

// liveNames lists one kind of a namespace.
func (c *check) liveNames(ctx context.Context, namespace, kind string) (names []string, err error) {
	var list runtime.Object
	switch kind {
	case "Deployment":
		list, err = c.Client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
	case "StatefulSet":
		list, err = c.Client.AppsV1().StatefulSets(namespace).List(ctx, metav1.ListOptions{})
	case "ReplicaSet":
		list, err = c.Client.AppsV1().ReplicaSets(namespace).List(ctx, metav1.ListOptions{})
	default:
		return nil, apierrors.NewBadRequest("not a kind that is known here")
	}
	if err != nil {
		return nil, err
	}
	err = meta.EachListItem(list, func(o runtime.Object) error {
		accessor, err := meta.Accessor(o)
		if err == nil {
			names = append(names, accessor.GetName())
		}
		return err
	})
	return names, err
}
