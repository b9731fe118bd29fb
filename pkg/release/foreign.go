package release

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// foreign names all objects of the chart that are there and are not this
// release's, and how each can be handed to it. Helm names the first only.
func (t *planClient) foreign(doing string, err error) error {
	var lines []string
	for _, info := range t.built {
		found, getErr := live(info)
		if getErr != nil || t.owns(found) || t.had(info) {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s. If this release is to have it:\n%s", named(info), ownerOf(found), t.adoption(info)))
	}
	if len(lines) == 0 {
		lines = []string{apierror.Message(err)} // somebody was faster
	}
	return record.Refused("release/not-ours", "%s: objects of the chart are there already and do not belong to the release:\n%s", doing, strings.Join(lines, "\n"))
}

// had reports whether the upgraded record has the object, in the same version of
// its kind: what Helm calls another object (https://github.com/helm/helm/issues/9125).
func (t *planClient) had(info *resource.Info) bool {
	before := t.current.Get(info)
	return before != nil && before.Mapping.GroupVersionKind == info.Mapping.GroupVersionKind
}

// ownerOf says whose an object is, as far as it tells.
func ownerOf(object *unstructured.Unstructured) string {
	annotations := object.GetAnnotations()
	if name := annotations[annotationName]; name != "" {
		return fmt.Sprintf("belongs to the Helm release %q in namespace %q, which loses it then", name, annotations[annotationNamespace])
	}
	if by := object.GetLabels()[labelManagedBy]; by != "" && by != "Helm" {
		return fmt.Sprintf("is managed by %q", by)
	}
	return "belongs to no Helm release"
}

// adoption are the commands that make an object the release's.
func (t *planClient) adoption(info *resource.Info) string {
	what := info.Mapping.Resource.GroupResource().String() + " " + info.Name
	if info.Namespace != "" {
		what += " --namespace " + info.Namespace
	}
	return fmt.Sprintf("  kubectl label %s --overwrite %s=Helm\n  kubectl annotate %s --overwrite %s=%s %s=%s",
		what, labelManagedBy, what, annotationName, t.name, annotationNamespace, t.namespace)
}
