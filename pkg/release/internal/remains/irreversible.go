package remains

import (
	"context"
	"encoding/json"
	"fmt"

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

// Irreversible are the objects of a rollback that the API server does not let go back.
type Irreversible struct {
	left []*resource.Info // they hold data and stay as they are
	Anew []*resource.Info // as they are; they are to be deleted, and made again by Helm
}

// Without gives a list without those that stay as they are.
func (o Irreversible) Without(list []*resource.Info) []*resource.Info {
	return live.Without(list, o.left)
}

// TryBack tries each object of a rollback by itself: one that cannot go back must
// not keep the others from it (https://github.com/helm/helm/issues/11359). What
// is neither data nor can be made anew is left to Helm, which says why it fails.
// base is what the patch of an object starts from. It says in one line each what it
// found.
func (r *Remains) TryBack(ctx context.Context, target []*resource.Info, base func(*resource.Info) *resource.Info) (result Irreversible, lines []string, err error) {
	verdicts, there := make([]func(*Irreversible) string, len(target)), live.Read(ctx, target)
	err = live.Each(ctx, target, func(i int, info *resource.Info) error {
		found, refusal := r.dryRunPatch(base(info), info, there[i])
		_, canBeMade := recreatable[info.Mapping.GroupVersionKind.GroupKind()]
		switch {
		case !apierror.IsRefusal(refusal):
		case live.HoldsData(info.Mapping.GroupVersionKind.Kind):
			verdicts[i] = func(o *Irreversible) string {
				o.left = append(o.left, info)
				return fmt.Sprintf("left %s as it is, because it cannot go back: %s", live.Name(info), apierror.Message(refusal))
			}
		case canBeMade && apierror.IsImmutable(refusal.Error()) && r.Owner.Owns(found):
			verdicts[i] = func(o *Irreversible) string {
				o.Anew = append(o.Anew, live.With(info, found))
				return fmt.Sprintf("made %s anew, because it cannot be changed back: %s", live.Name(info), apierror.Message(apierror.WithoutServerMessage(info.Mapping.GroupVersionKind.Kind, refusal)))
			}
		}
		return nil
	})
	for _, add := range verdicts {
		if add != nil {
			lines = append(lines, add(&result))
		}
	}
	return result, lines, err
}

// dryRunPatch sends what Helm would send for one object as a dry run, and gives the
// object as it is. found is the object as it was read, nil to read it.
func (r *Remains) dryRunPatch(base, info *resource.Info, found *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if found == nil {
		var err error
		if found, err = live.Get(info); err != nil {
			return nil, live.IgnoreMissing(err)
		}
	}
	patch, kind, err := patchOf(base.Object, info.Object, found, r.Versioned(info))
	if err != nil || string(patch) == "{}" {
		return found, nil //nolint:nilerr // Helm will say it
	}
	_, err = live.Helper(info).DryRun(true).Patch(info.Namespace, info.Name, kind, patch, nil)
	return found, err
}

// patchOf is the patch that Helm sends.
func patchOf(base, wanted, found, versioned runtime.Object) ([]byte, types.PatchType, error) {
	var texts [3][]byte
	for i, object := range []runtime.Object{base, wanted, found} {
		var err error
		if texts[i], err = json.Marshal(object); err != nil {
			return nil, "", err
		}
	}
	if isMergedAsJSON(versioned) {
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

// DeleteForRecreation deletes the objects that Helm is about to make anew.
func DeleteForRecreation(anew []*resource.Info) error {
	for _, info := range anew {
		err := live.Delete(info, recreatable[info.Mapping.GroupVersionKind.GroupKind()])
		if live.IgnoreMissing(err) != nil {
			return fmt.Errorf("deleting %s to make it anew: %w", live.Name(info), err)
		}
	}
	return nil
}
