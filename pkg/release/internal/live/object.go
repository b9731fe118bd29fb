// Package live reads and names objects where they are in the cluster, and knows whose
// they are. It decides nothing about them.
package live

import (
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
)

// Helper sends requests about one object.
func Helper(info *resource.Info) *resource.Helper {
	return resource.NewHelper(info.Client, info.Mapping).WithFieldManager(objectdiff.FieldManager)
}

// Get reads an object as it is in the cluster.
func Get(info *resource.Info) (*unstructured.Unstructured, error) {
	object, err := Helper(info).Get(info.Namespace, info.Name)
	if err != nil {
		return nil, err
	}
	return Content(object)
}

// Delete deletes exactly the object that info holds as it was read, and leaves to
// propagation what it owns.
func Delete(info *resource.Info, propagation metav1.DeletionPropagation) error {
	object, err := meta.Accessor(info.Object)
	if err != nil {
		return err
	}
	uid := object.GetUID()
	_, err = Helper(info).DeleteWithOptions(info.Namespace, info.Name, &metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &propagation,
	})
	return err
}

// ErrNoContent means that what was read is no object.
var ErrNoContent = errors.New("the object has no fields")

// Content gives the fields of an object.
func Content(object runtime.Object) (*unstructured.Unstructured, error) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil, ErrNoContent
	}
	return u, nil
}

// IgnoreMissing makes of an object that is not there no error.
func IgnoreMissing(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// Copies are independent of the originals, which Helm changes.
func Copies(list []*resource.Info) []*resource.Info {
	result := make([]*resource.Info, len(list))
	for i, info := range list {
		result[i] = With(info, info.Object.DeepCopyObject())
	}
	return result
}

// With is the same place with another object.
func With(info *resource.Info, object runtime.Object) *resource.Info {
	next := *info
	next.Object = object
	return &next
}

// Key identifies an object whatever the version of its kind.
func Key(info *resource.Info) string {
	return info.Mapping.GroupVersionKind.GroupKind().String() + "/" + info.Namespace + "/" + info.Name
}

// Name is how an object is called to people: "Deployment/web".
func Name(info *resource.Info) string {
	return info.Mapping.GroupVersionKind.Kind + "/" + info.Name
}

// HoldsData reports whether the removal of an object of the kind destroys what cannot
// be made again.
func HoldsData(kind string) bool {
	return slices.Contains([]string{"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"}, kind)
}

// Without gives a list without some of its objects.
func Without(list, some []*resource.Info) []*resource.Info {
	return slices.DeleteFunc(slices.Clone(list), func(info *resource.Info) bool {
		return slices.ContainsFunc(some, func(other *resource.Info) bool { return Key(other) == Key(info) })
	})
}
