package manifest

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Irreversible says why a rollback could not undo a change of an object; "" when it
// can, as far as the object tells.
func Irreversible(before, after *unstructured.Unstructured) string {
	switch after.GroupVersionKind().GroupKind().String() {
	case "PersistentVolumeClaim":
		return grown(before, after)
	case "CustomResourceDefinition.apiextensions.k8s.io":
		from, to := storageVersion(before), storageVersion(after)
		return when(from != "" && from != to, fmt.Sprintf("objects are stored as %s from now on, no longer as %s, and the API server refuses a definition without a version that objects are stored in", to, from))
	case "Secret", "ConfigMap":
		return when(before.Object["immutable"] != true && after.Object["immutable"] == true, "it becomes immutable, so that its content cannot be put back")
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
	return when(from != "" && to != "" && becomes.Cmp(was) > 0, fmt.Sprintf("it grows from %s to %s, and a claim cannot shrink", from, to))
}

func storageVersion(definition *unstructured.Unstructured) string {
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions") // none are none
	for _, version := range versions {
		if fields := MapOf(version); fields["storage"] == true {
			name, _ := fields["name"].(string)
			return name
		}
	}
	return ""
}

func when(is bool, text string) string {
	if is {
		return text
	}
	return ""
}
