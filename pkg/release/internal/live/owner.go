package live

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// How Helm marks what belongs to a release, and what it never deletes.
const (
	labelManagedBy      = "app.kubernetes.io/managed-by"
	annotationName      = "meta.helm.sh/release-name"
	annotationNamespace = "meta.helm.sh/release-namespace"
	annotationPolicy    = "helm.sh/resource-policy"
)

// Owner is the release that objects belong to.
type Owner struct{ Name, Namespace string }

// OwnerOf is the release that an object says it belongs to, the zero value for none.
func OwnerOf(object metav1.Object) Owner {
	annotations := object.GetAnnotations()
	return Owner{annotations[annotationName], annotations[annotationNamespace]}
}

// Owns reports whether Helm made the object for this release.
func (o Owner) Owns(object metav1.Object) bool {
	return object.GetLabels()[labelManagedBy] == "Helm" && OwnerOf(object) == o
}

// IsKept reports whether Helm is told never to delete the object.
func IsKept(object metav1.Object) bool { return object.GetAnnotations()[annotationPolicy] == "keep" }

// Claim writes into an object what Helm writes into all objects of a release.
func (o Owner) Claim(object *unstructured.Unstructured) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels[labelManagedBy] = "Helm"
	annotations[annotationName], annotations[annotationNamespace] = o.Name, o.Namespace
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
}

// maxOwner bounds what is told of an owner, in bytes.
const maxOwner = 200

// Whose says whose an object is, as far as it tells.
func Whose(object *unstructured.Unstructured) string {
	if owner := OwnerOf(object); owner.Name != "" {
		return fmt.Sprintf("belongs to the Helm release %q in namespace %q, which loses it then", owner.Name, owner.Namespace)
	}
	if owners := object.GetOwnerReferences(); len(owners) > 0 {
		return fmt.Sprintf("was made for %s, and goes with it", text.Line(owners[0].Kind+"/"+owners[0].Name, maxOwner))
	}
	if by := object.GetLabels()[labelManagedBy]; by != "" && by != "Helm" {
		return fmt.Sprintf("is managed by %q", by)
	}
	return "belongs to no Helm release"
}

// Adoption are the commands that make an object the release's.
func (o Owner) Adoption(info *resource.Info) string {
	what := info.Mapping.Resource.GroupResource().String() + " " + info.Name
	if info.Namespace != "" {
		what += " --namespace " + info.Namespace
	}
	return fmt.Sprintf("  kubectl label %s --overwrite %s=Helm\n  kubectl annotate %s --overwrite %s=%s %s=%s",
		what, labelManagedBy, what, annotationName, o.Name, annotationNamespace, o.Namespace)
}
