package manifest

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// AnnotationWait with the value "false" says of a Job that its end is not waited for,
// and of a hook that the pods' readiness is not.
const AnnotationWait = "stagecrew.dev/wait"

// Describe lists what of a manifest's objects is worth watching. before are the
// objects of the revision before, namespace is that of objects that name none.
func Describe(objects, before []*unstructured.Unstructured, namespace string) record.Applied {
	var result record.Applied
	for _, o := range objects {
		at := cmp.Or(o.GetNamespace(), namespace)
		switch named := o.GetKind() + "/" + o.GetName(); {
		case o.GetKind() == "Job" && o.GetAnnotations()[AnnotationWait] == "false":
			result.Unwatched = append(result.Unwatched, named+" is not waited for, as its annotation "+AnnotationWait+" says")
		case record.IsWatched(o.GetAPIVersion(), o.GetKind()):
			result.Workloads = append(result.Workloads, record.Workload{Kind: o.GetKind(), Namespace: at, Name: o.GetName(), Expires: expires(o)})
		case makesPods(o):
			group, _, _ := strings.Cut(o.GetAPIVersion(), "/")
			result.Unwatched = append(result.Unwatched, fmt.Sprintf("%s.%s/%s makes pods, and its rollout cannot be watched", o.GetKind(), group, o.GetName()))
		case isService(o) && len(selector(o)) > 0:
			result.Services = append(result.Services, record.Service{Namespace: at, Name: o.GetName(), Port: httpPort(o), Led: Led(o, before)})
		}
	}
	return result
}
