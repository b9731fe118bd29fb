package release

import (
	"strings"

	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/release/internal/forecast"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
)

// Create tries objects of a first install and hooks. A hook that ran before is
// there; Helm would delete it first.
func (t *planClient) Create(resources helmkube.ResourceList) (*helmkube.Result, error) {
	isHook := func(info *resource.Info) bool {
		object, err := live.Content(info.Object)
		return err == nil && object.GetAnnotations()["helm.sh/hook"] != ""
	}
	t.tried = resources
	for _, info := range resources {
		if isHook(info) {
			if err := t.tryHook(info); err != nil {
				return nil, err
			}
			continue
		}
		// Helm leaves a definition alone that is there.
		if info.Mapping.GroupVersionKind.Kind == "CustomResourceDefinition" {
			if _, err := live.Get(info); err == nil {
				t.existing = append(t.existing, info.Name)
				continue
			}
		}
		change, err := t.try(info, info)
		if err != nil {
			return nil, err
		}
		if change != nil {
			t.changes = append(t.changes, *change)
		}
	}
	return &helmkube.Result{Created: resources}, nil
}

func (t *planClient) tryHook(info *resource.Info) error {
	_, err := t.Client.Create(helmkube.ResourceList{live.With(info, info.Object.DeepCopyObject())})
	if apierrors.IsAlreadyExists(err) && live.HoldsData(info.Mapping.GroupVersionKind.Kind) && anew(info) {
		if found, liveErr := live.Get(info); liveErr == nil {
			t.deleted = append(t.deleted, forecast.Deletion(t.ctx, t.typed, found))
		}
	}
	if apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) && (info.Namespace == "" || t.brings(info.Namespace)) {
		return nil
	}
	return t.reject(info, nil, err)
}

// anew reports whether Helm deletes a hook that is there before it makes it again:
// unless another policy is given.
func anew(info *resource.Info) bool {
	object, err := live.Content(info.Object)
	if err != nil {
		return false
	}
	policy := object.GetAnnotations()[helmrelease.HookDeleteAnnotation]
	return policy == "" || strings.Contains(policy, helmrelease.HookBeforeHookCreation.String())
}
