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

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/workload"
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
			return nil, record.BadInput("preflight/manifest", "reading the rendered chart: %w", err)
		}
		if len(content) == 0 {
			continue
		}
		found, err := flat(&unstructured.Unstructured{Object: content}, namespace)
		if err != nil {
			return nil, record.BadInput("preflight/manifest", "reading the rendered chart: %w", err)
		}
		objects = append(objects, found...)
	}
}

// flat gives an object, or those of a list, also of lists in it.
func flat(u *unstructured.Unstructured, namespace string) ([]object, error) {
	if !u.IsList() {
		if u.GetNamespace() == "" {
			u.SetNamespace(namespace)
		}
		return []object{{u}}, nil
	}
	list, err := u.ToList()
	if err != nil {
		return nil, err
	}
	var all []object
	for i := range list.Items {
		found, err := flat(&list.Items[i], namespace)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
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
	later    bool // whether the pods come at another time
}

// templates are the pods that the manifest makes.
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
	typed, err := workload.Read(o.Unstructured)
	if err != nil {
		return template{}, false // the dry run has told about one that does not fit
	}
	pods, err := workload.PodsOf(typed)
	t := template{pod: pods.Template, replicas: count(pods.Replicas)}
	switch w := typed.(type) {
	case *appsv1.Deployment:
		t.deploy = w
		t.surge, _ = rolling(w)
	case *batchv1.Job:
		t.replicas = count(w.Spec.Parallelism)
	case *batchv1.CronJob:
		t.replicas, t.later = 0, true
	}
	return t, err == nil
}

// count is 1 when it is not set, as the API server's default.
func count(n *int32) int64 {
	if n == nil {
		return 1
	}
	return int64(*n)
}
