package release

import (
	"encoding/json"
	"fmt"
	"time"

	helmkube "helm.sh/helm/v3/pkg/kube"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
)

// goneTimeout bounds the wait for an object that is made anew to be gone.
const goneTimeout = 30 * time.Second

// recreatable are the kinds whose objects hold nothing that their manifest does
// not: one whose field cannot be changed may be deleted and made again. The pods
// of a StatefulSet run on meanwhile.
var recreatable = map[schema.GroupKind]metav1.DeletionPropagation{
	{Kind: "ConfigMap"}:                                              metav1.DeletePropagationBackground,
	{Kind: "Secret"}:                                                 metav1.DeletePropagationBackground,
	{Kind: "Service"}:                                                metav1.DeletePropagationBackground,
	{Kind: "Pod"}:                                                    metav1.DeletePropagationBackground,
	{Group: "batch", Kind: "Job"}:                                    metav1.DeletePropagationBackground,
	{Group: "apps", Kind: "Deployment"}:                              metav1.DeletePropagationBackground,
	{Group: "apps", Kind: "ReplicaSet"}:                              metav1.DeletePropagationBackground,
	{Group: "apps", Kind: "DaemonSet"}:                               metav1.DeletePropagationBackground,
	{Group: "apps", Kind: "StatefulSet"}:                             metav1.DeletePropagationOrphan,
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:        metav1.DeletePropagationBackground,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}: metav1.DeletePropagationBackground,
}

// irreversible are the objects of a rollback that the API server does not let go back.
type irreversible struct {
	left helmkube.ResourceList // they hold data and stay as they are
	anew helmkube.ResourceList // as they are; they are to be deleted, and made again by Helm
}

// without gives a list without those that stay as they are.
func (o irreversible) without(list helmkube.ResourceList) helmkube.ResourceList {
	return list.Filter(func(info *resource.Info) bool { return !o.left.Contains(info) })
}

// triedBack tries each object of a rollback by itself: one that cannot go back must
// not keep the others from it (https://github.com/helm/helm/issues/11359). What
// is neither data nor can be made anew is left to Helm, which says why it fails.
func (c *client) triedBack(bases, target helmkube.ResourceList) (irreversible, error) {
	verdicts, there := make([]func(*irreversible), len(target)), live.Read(c.ctx, target)
	err := live.Each(c.ctx, target, func(i int, info *resource.Info) error {
		found, refusal := dryRunPatch(bases.Get(info), info, there[i])
		_, canBeMade := recreatable[info.Mapping.GroupVersionKind.GroupKind()]
		switch {
		case !apierror.IsRefusal(refusal):
		case live.HoldsData(info.Mapping.GroupVersionKind.Kind):
			verdicts[i] = func(o *irreversible) {
				o.left = append(o.left, info)
				c.note(fmt.Sprintf("left %s as it is, because it cannot go back: %s", live.Name(info), apierror.Message(refusal)))
			}
		case canBeMade && apierror.IsImmutable(refusal.Error()) && c.owner.Owns(found):
			verdicts[i] = func(o *irreversible) {
				o.anew = append(o.anew, live.With(info, found))
				c.note(fmt.Sprintf("made %s anew, because it cannot be changed back: %s", live.Name(info), apierror.Message(apierror.WithoutServerMessage(info.Mapping.GroupVersionKind.Kind, refusal))))
			}
		}
		return nil
	})
	var result irreversible
	for _, add := range verdicts {
		if add != nil {
			add(&result)
		}
	}
	return result, err
}

// dryRunPatch sends what Helm would send for one object as a dry run, and gives the
// object as it is. found is the object as it was read, nil to read it.
func dryRunPatch(base, info *resource.Info, found *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if found == nil {
		var err error
		if found, err = live.Get(info); err != nil {
			return nil, live.IgnoreMissing(err)
		}
	}
	patch, kind, err := patchOf(base.Object, info, found)
	if err != nil || string(patch) == "{}" {
		return found, nil //nolint:nilerr // Helm will say it
	}
	_, err = live.Helper(info).DryRun(true).Patch(info.Namespace, info.Name, kind, patch, nil)
	return found, err
}

// patchOf is the patch that Helm sends.
func patchOf(base runtime.Object, info *resource.Info, found runtime.Object) ([]byte, types.PatchType, error) {
	var texts [3][]byte
	for i, object := range []runtime.Object{base, info.Object, found} {
		var err error
		if texts[i], err = json.Marshal(object); err != nil {
			return nil, "", err
		}
	}
	versioned := helmkube.AsVersioned(info)
	_, isCustom := versioned.(runtime.Unstructured)
	_, isDefinition := versioned.(*apiextensionsv1.CustomResourceDefinition)
	if isCustom || isDefinition {
		patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(texts[0], texts[1], texts[2])
		return patch, types.MergePatchType, err
	}
	schema, err := strategicpatch.NewPatchMetaFromStruct(versioned)
	if err != nil {
		return nil, "", err
	}
	patch, err := strategicpatch.CreateThreeWayMergePatch(texts[0], texts[1], texts[2], schema, true)
	return patch, types.StrategicMergePatchType, err
}

// deleteForRecreation deletes the objects that Helm is about to make anew, and waits until
// they are gone.
func (c *client) deleteForRecreation(anew helmkube.ResourceList) error {
	if len(anew) == 0 {
		return nil
	}
	for _, info := range anew {
		err := live.Delete(info, recreatable[info.Mapping.GroupVersionKind.GroupKind()])
		if live.IgnoreMissing(err) != nil {
			return fmt.Errorf("deleting %s to make it anew: %w", live.Name(info), err)
		}
	}
	return c.boundedWait(goneTimeout, nil, func(timeout time.Duration) error { return c.WaitForDelete(anew, timeout) })
}
