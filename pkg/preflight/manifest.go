package preflight

import (
	"bytes"
	"errors"
	"io"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// object is one object of the manifest with its namespace filled in; that of an
// object for the whole cluster is wrong and is not used.
type object struct{ *unstructured.Unstructured }

func (o object) name() string { return o.GetKind() + "/" + o.GetName() }

// parse reads a manifest, also lists in it.
func parse(manifest, namespace string) ([]object, error) {
	var objects []object
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(manifest)), 4096)
	for {
		var content map[string]any
		err := decoder.Decode(&content)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, pipeline.BadInput("preflight/manifest", "reading the rendered chart: %w", err)
		}
		if len(content) == 0 {
			continue
		}
		add := func(u *unstructured.Unstructured) {
			if u.GetNamespace() == "" {
				u.SetNamespace(namespace)
			}
			objects = append(objects, object{u})
		}
		u := &unstructured.Unstructured{Object: content}
		if !u.IsList() {
			add(u)
			continue
		}
		list, err := u.ToList()
		if err != nil {
			return nil, pipeline.BadInput("preflight/manifest", "reading the rendered chart: %w", err)
		}
		for i := range list.Items {
			add(&list.Items[i])
		}
	}
}

// as reads an object into a typed one; false for one that does not fit, which the
// dry run has told about already.
func as[T any](o object) (T, bool) {
	var typed T
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &typed)
	return typed, err == nil
}

// template is the pod of a workload and how many of it there will be.
type template struct {
	object   object
	pod      corev1.PodTemplateSpec
	replicas int64
	surge    int64 // pods on top while it rolls out
	deploy   *appsv1.Deployment
}

// templates are the pods that the manifest makes, hooks aside.
func (c *check) templates() []template {
	var all []template
	for _, o := range c.objects {
		if t, ok := templateOf(o); ok {
			t.object = o
			all = append(all, t)
		}
	}
	return all
}

func templateOf(o object) (template, bool) {
	switch o.GroupVersionKind().GroupKind().String() {
	case "Deployment.apps":
		d, ok := as[appsv1.Deployment](o)
		t := template{pod: d.Spec.Template, replicas: count(d.Spec.Replicas), deploy: &d}
		t.surge, _ = rolling(&d)
		return t, ok
	case "StatefulSet.apps":
		s, ok := as[appsv1.StatefulSet](o)
		return template{pod: s.Spec.Template, replicas: count(s.Spec.Replicas)}, ok
	case "DaemonSet.apps":
		s, ok := as[appsv1.DaemonSet](o)
		return template{pod: s.Spec.Template, replicas: 1}, ok
	case "Job.batch":
		j, ok := as[batchv1.Job](o)
		return template{pod: j.Spec.Template, replicas: count(j.Spec.Parallelism)}, ok
	}
	return template{}, false
}

// count is 1 when it is not set, as the API server's default.
func count(n *int32) int64 {
	if n == nil {
		return 1
	}
	return int64(*n)
}
