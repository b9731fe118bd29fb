package release

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// unserved tells kinds that the cluster does not have from those of an API that does not
// answer now: a list of all APIs leaves the latter out, so that Helm calls both unknown
// (https://github.com/helm/helm/issues/6361, https://github.com/kubernetes/kubernetes/issues/72051).
// It gives the error about the first such API, nil where the kinds are really unknown.
func (c *client) unserved(err error) error {
	asked := map[schema.GroupVersion]bool{}
	for _, kind := range apierror.MissingKinds(err) {
		version := kind.GroupVersion()
		if asked[version] {
			continue
		}
		asked[version] = true
		_, down := c.typed.Discovery().ServerResourcesForGroupVersion(version.String())
		if down == nil || apierrors.IsNotFound(down) || apierrors.IsForbidden(down) {
			continue
		}
		return record.Unavailable("release/api-unavailable", "the API %s, of which the kind %s is, does not answer: %s; %s", version, kind.Kind, apierror.Message(down), behind(version))
	}
	return nil
}

// behind says whose matter an API is that does not answer: that of the service which an
// APIService names, unless it is the API server's own.
func behind(version schema.GroupVersion) string {
	if version.Group == "" || isBuiltIn(version.Group) {
		return "try again when the API server is well"
	}
	return "look at APIService/" + version.Version + "." + version.Group + " (kubectl get apiservices), and at the service that it names"
}
