package cluster

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

//go:embed manifests
var manifests embed.FS

// thing names one object of the cluster; namespace is "" for one of the whole cluster.
type thing struct{ group, version, resource, namespace, name string }

// apply makes the objects of a file of manifests.
func (n Node) apply(ctx context.Context, name string) error {
	text, err := n.render(name)
	if err != nil {
		return fmt.Errorf("rendering %s: %w", name, err)
	}
	return n.create(ctx, text)
}

// render gives a file of manifests with the node's values, as files.tmpl has them.
func (n Node) render(name string) ([]byte, error) {
	text, err := manifests.ReadFile("manifests/" + name)
	if err != nil {
		return nil, err
	}
	set, err := n.templates(string(text))
	if err != nil {
		return nil, err
	}
	var rendered bytes.Buffer
	err = set.Execute(&rendered, n)
	return rendered.Bytes(), err
}

// applyFile makes the objects of a file as it is.
func (n Node) applyFile(ctx context.Context, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return n.create(ctx, content)
}

// create makes the objects of a manifest in its order. What is there already stays;
// a kind whose definition was made just now is waited for.
func (n Node) create(ctx context.Context, manifest []byte) error {
	objects, kinds, err := n.dynamicClient()
	if err != nil {
		return err
	}
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var o unstructured.Unstructured
		if err := yaml.Unmarshal(document, &o.Object); err != nil {
			return err
		}
		if len(o.Object) == 0 {
			continue
		}
		if err := until(ctx, func() error { return createOne(ctx, objects, kinds, &o) }); err != nil {
			return fmt.Errorf("creating %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
}

func createOne(ctx context.Context, objects dynamic.Interface, kinds *restmapper.DeferredDiscoveryRESTMapper, o *unstructured.Unstructured) error {
	mapping, err := kinds.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
	if meta.IsNoMatchError(err) {
		kinds.Reset()
	}
	if err != nil {
		return err
	}
	_, err = objects.Resource(mapping.Resource).Namespace(o.GetNamespace()).Create(ctx, o, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// condition waits until an object says that a condition of its status is true; the
// last that it said is part of the error.
func (n Node) condition(ctx context.Context, which thing, kind string) error {
	objects, _, err := n.dynamicClient()
	if err != nil {
		return err
	}
	client := objects.Resource(schema.GroupVersionResource{Group: which.group, Version: which.version, Resource: which.resource}).Namespace(which.namespace)
	return until(ctx, func() error {
		o, err := client.Get(ctx, which.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return holds(o, kind)
	})
}

func holds(o *unstructured.Unstructured, kind string) error {
	conditions, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
	if err != nil {
		return err
	}
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == kind && c["status"] == string(metav1.ConditionTrue) {
			return nil
		}
	}
	return fmt.Errorf("%s %s is not %s: %v", o.GetKind(), o.GetName(), kind, conditions)
}

func (n Node) dynamicClient() (dynamic.Interface, *restmapper.DeferredDiscoveryRESTMapper, error) {
	config, err := clientcmd.BuildConfigFromFlags("", n.Kubeconfig())
	if err != nil {
		return nil, nil, err
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	return objects, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kinds)), nil
}
