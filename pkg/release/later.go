package release

import (
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// later names the CronJobs that run the image of a revision when nothing else does,
// neither an object nor a hook: that other pods of it are ready proves nothing of the
// image then. "" when something runs it now, or nothing is known of the image.
func later(stored *helmrelease.Release, objects []*unstructured.Unstructured, image string) string {
	repository, digest, found := strings.Cut(image, "@")
	if !found {
		return ""
	}
	hooks, _ := manifest.Objects(hooksOf(stored)) // what cannot be read runs nothing
	for _, hook := range hooks {
		if manifest.Runs(hook.Object, repository, digest) {
			return ""
		}
	}
	var names []string
	for _, o := range objects {
		switch {
		case !manifest.Runs(o.Object, repository, digest):
		case o.GetKind() != "CronJob":
			return ""
		default:
			names = append(names, o.GetKind()+"/"+o.GetName())
		}
	}
	return strings.Join(names, ", ")
}
