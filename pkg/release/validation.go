package release

import (
	"strings"
	"sync"

	helmkube "helm.sh/helm/v3/pkg/kube"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kubectl/pkg/validation"
)

// factory is Helm's, but for how it finds out who validates a manifest.
//
// Helm does where the API server cannot. It looks that up in the OpenAPI document of the object's group, which it parses again
// for each kind of each manifest: megabytes, and most of what a deploy computes
// (https://github.com/kubernetes/kubernetes/issues/127095). A server validates all kinds of Kubernetes or none, so it is asked
// once, about one of a small group.
type factory struct {
	helmkube.Factory
	cluster genericclioptions.RESTClientGetter

	once      sync.Once
	validates bool // the server, all kinds of Kubernetes
}

// Validator is of the manifest's objects, see [helmkube.Factory].
func (f *factory) Validator(directive string) (validation.Schema, error) {
	itself, err := f.Factory.Validator(directive)
	if err != nil || directive == metav1.FieldValidationIgnore {
		return itself, err
	}
	f.once.Do(func() { f.validates = f.ask() == nil })
	if !f.validates {
		return itself, nil
	}
	return servers{itself}, nil
}

func (f *factory) ask() error {
	dynamic, err := f.DynamicClient()
	if err != nil {
		return err
	}
	discovery, err := f.cluster.ToDiscoveryClient()
	if err != nil {
		return err
	}
	return resource.NewQueryParamVerifierV3(dynamic, discovery.OpenAPIV3(), resource.QueryParamFieldValidation).
		HasSupport(coordinationv1.SchemeGroupVersion.WithKind("Lease"))
}

// servers leaves kinds of Kubernetes to the API server. A list is none of them: it is taken apart here.
type servers struct{ others validation.Schema }

func (s servers) ValidateBytes(data []byte) error {
	var object metav1.TypeMeta // whose keys have their case, unlike in Go's own JSON
	if err := json.Unmarshal(data, &object); err == nil {
		if scheme.Scheme.Recognizes(object.GroupVersionKind()) && !strings.HasSuffix(object.Kind, "List") {
			return nil
		}
	}
	return s.others.ValidateBytes(data)
}
