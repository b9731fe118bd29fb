// Package workload is what is particular to each kind of object that makes pods: where it
// says what its pods are, whether it says how many there are, and who makes them. How a
// rollout of one is judged is of package rollout.
package workload

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Kind is one kind of workload.
type Kind struct {
	// Template is the path of the template of its pods; empty for a pod, which is its own.
	Template []string
	// Changes says that the API server takes another template for an object that is there.
	Changes bool
	// Replicas says that spec.replicas is the number of its pods.
	Replicas bool
	// Owner has the API version and the kind of what its pods are owned by; zero for a pod.
	Owner metav1.OwnerReference

	empty func() metav1.Object
}

var (
	inSpec      = []string{"spec", "template"}
	replicaSets = metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet"}
	jobs        = metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job"}
)

// kinds are those of [record.WatchedKinds], and CronJob.
var kinds = map[schema.GroupKind]Kind{
	{Group: "apps", Kind: "Deployment"}:  {inSpec, true, true, replicaSets, func() metav1.Object { return &appsv1.Deployment{} }},
	{Group: "apps", Kind: "ReplicaSet"}:  {inSpec, true, true, replicaSets, func() metav1.Object { return &appsv1.ReplicaSet{} }},
	{Group: "apps", Kind: "StatefulSet"}: {inSpec, true, true, metav1.OwnerReference{APIVersion: "apps/v1", Kind: "StatefulSet"}, func() metav1.Object { return &appsv1.StatefulSet{} }},
	{Group: "apps", Kind: "DaemonSet"}:   {inSpec, true, false, metav1.OwnerReference{APIVersion: "apps/v1", Kind: "DaemonSet"}, func() metav1.Object { return &appsv1.DaemonSet{} }},
	{Group: "batch", Kind: "Job"}:        {inSpec, false, false, jobs, func() metav1.Object { return &batchv1.Job{} }},
	{Group: "batch", Kind: "CronJob"}:    {[]string{"spec", "jobTemplate", "spec", "template"}, true, false, jobs, func() metav1.Object { return &batchv1.CronJob{} }},
	{Kind: "ReplicationController"}:      {inSpec, true, true, metav1.OwnerReference{APIVersion: "v1", Kind: "ReplicationController"}, func() metav1.Object { return &corev1.ReplicationController{} }},
	{Kind: "Pod"}:                        {empty: func() metav1.Object { return &corev1.Pod{} }},
}

// Of is the kind of that name in its group; false for one that is not known to make pods.
func Of(kind schema.GroupKind) (Kind, bool) {
	k, known := kinds[kind]
	return k, known
}

// Watched is the kind of a workload that is watched; false for one that cannot be.
func Watched(w record.Workload) (Kind, bool) {
	group, watched := record.WatchedKinds[w.Kind]
	if !watched {
		return Kind{}, false
	}
	return Of(schema.GroupKind{Group: group, Kind: w.Kind})
}

// TemplateIn is the template of the pods in an object of the kind, itself and no copy; nil
// where it has none.
func (k Kind) TemplateIn(object map[string]any) map[string]any {
	for _, field := range k.Template {
		object, _ = object[field].(map[string]any)
	}
	return object
}

// Read gives an object as one of its own type; an error for one that does not fit, or of a
// kind that is not known to make pods.
func Read(o *unstructured.Unstructured) (metav1.Object, error) {
	kind, known := Of(o.GroupVersionKind().GroupKind())
	if !known {
		return nil, fmt.Errorf("%s is not known to make pods", o.GroupVersionKind().GroupKind())
	}
	typed := kind.empty()
	return typed, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, typed)
}

// Pods is what an object says of the pods that it makes.
type Pods struct {
	Template corev1.PodTemplateSpec
	Selector *metav1.LabelSelector // nil where the object selects none
	Replicas *int32                // nil where it says nothing, and for kinds without a number of replicas
}

// PodsOf is what a typed object says of its pods; an error for one that is not known to
// make any.
func PodsOf(object any) (Pods, error) {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return Pods{o.Spec.Template, o.Spec.Selector, o.Spec.Replicas}, nil
	case *appsv1.ReplicaSet:
		return Pods{o.Spec.Template, o.Spec.Selector, o.Spec.Replicas}, nil
	case *appsv1.StatefulSet:
		return Pods{o.Spec.Template, o.Spec.Selector, o.Spec.Replicas}, nil
	case *appsv1.DaemonSet:
		return Pods{o.Spec.Template, o.Spec.Selector, nil}, nil
	case *batchv1.Job:
		return Pods{o.Spec.Template, o.Spec.Selector, nil}, nil
	case *batchv1.CronJob:
		return Pods{Template: o.Spec.JobTemplate.Spec.Template}, nil
	case *corev1.ReplicationController:
		pods := Pods{Selector: &metav1.LabelSelector{MatchLabels: o.Spec.Selector}, Replicas: o.Spec.Replicas}
		if o.Spec.Template != nil {
			pods.Template = *o.Spec.Template
		}
		return pods, nil
	case *corev1.Pod:
		return Pods{Template: corev1.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}}, nil
	}
	return Pods{}, fmt.Errorf("%T is not known to make pods", object)
}
