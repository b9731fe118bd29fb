package manifest

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Later names the CronJobs and suspended Jobs that run the image of a revision when nothing else does,
// neither an object nor a hook: that other pods of it are ready proves nothing of the
// image then. "" when something runs it now, or nothing is known of the image.
func Later(objects []*unstructured.Unstructured, hooks, image string) string {
	repository, digest, found := strings.Cut(image, "@")
	if !found {
		return ""
	}
	inHooks, _ := Objects(hooks) // what cannot be read runs nothing
	for _, hook := range inHooks {
		if Runs(hook.Object, repository, digest) {
			return ""
		}
	}
	var names []string
	for _, o := range objects {
		switch {
		case !Runs(o.Object, repository, digest):
		case o.GetKind() != "CronJob" && !isHeld(o):
			return ""
		default:
			names = append(names, o.GetKind()+"/"+o.GetName())
		}
	}
	return strings.Join(names, ", ")
}

// isHeld reports whether a Job is made to be started later.
func isHeld(o *unstructured.Unstructured) bool {
	spec := MapOf(o.Object["spec"])
	return o.GetKind() == "Job" && (spec["suspend"] == true || spec["parallelism"] == int64(0))
}
