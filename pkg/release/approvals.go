package release

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"

	helmkube "helm.sh/helm/v3/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
)

// stamp is an object at the moment when it was what its manifest says.
type stamp struct {
	manifest   [sha256.Size]byte
	uid, state string
	generation int64
}

// approvals are objects that were what their manifests say; they outlive a change.
type approvals struct {
	mu     sync.Mutex
	stamps map[string]stamp // by [key]
}

// approve keeps that an object is what its manifest says: it need not be compared
// again before somebody writes it.
func (c *client) approve(wanted *resource.Info, found *unstructured.Unstructured) {
	text, err := json.Marshal(wanted.Object)
	if err != nil {
		return
	}
	c.approvals.mu.Lock()
	defer c.approvals.mu.Unlock()
	if c.approvals.stamps == nil {
		c.approvals.stamps = map[string]stamp{}
	}
	c.approvals.stamps[key(wanted)] = stamp{sha256.Sum256(text), string(found.GetUID()), found.GetResourceVersion(), found.GetGeneration()}
}

// isUnchanged reports whether nobody has written what the manifest is about since
// the object was approved. A new generation means a new spec; the labels and
// annotations have none.
func (c *client) isUnchanged(wanted *resource.Info, found *unstructured.Unstructured) bool {
	text, err := json.Marshal(wanted.Object)
	c.approvals.mu.Lock()
	known, isKnown := c.approvals.stamps[key(wanted)]
	c.approvals.mu.Unlock()
	if err != nil || !isKnown || known.manifest != sha256.Sum256(text) || known.uid != string(found.GetUID()) || found.GetDeletionTimestamp() != nil {
		return false
	}
	if known.state == found.GetResourceVersion() {
		return true
	}
	manifest, err := content(wanted.Object)
	return err == nil && known.generation > 0 && known.generation == found.GetGeneration() &&
		contained(manifest.GetLabels(), found.GetLabels()) && contained(manifest.GetAnnotations(), found.GetAnnotations())
}

func contained(part, whole map[string]string) bool {
	for k, v := range part {
		if got, found := whole[k]; !found || got != v {
			return false
		}
	}
	return true
}

// listFrom is from how many objects of a kind in a namespace they are read by one
// request.
const listFrom = 4

// read gives the live objects, nil where an object was not found or has to be
// asked for by itself.
func (c *client) read(ctx context.Context, wanted helmkube.ResourceList) []*unstructured.Unstructured {
	groups := map[string][]int{}
	for i, info := range wanted {
		place := info.Mapping.Resource.String() + "/" + info.Namespace
		groups[place] = append(groups[place], i)
	}
	result := make([]*unstructured.Unstructured, len(wanted))
	var lists helmkube.ResourceList
	for _, members := range groups {
		if len(members) >= listFrom {
			lists = append(lists, wanted[members[0]])
		}
	}
	// What cannot be listed is read one by one, and says there what is wrong.
	_ = each(ctx, lists, func(_ int, first *resource.Info) error {
		object, err := resource.NewHelper(first.Client, first.Mapping).
			List(first.Namespace, first.Mapping.GroupVersionKind.GroupVersion().String(), &metav1.ListOptions{LabelSelector: labelManagedBy + "=Helm"})
		list, ok := object.(*unstructured.UnstructuredList)
		if err != nil || !ok {
			return err
		}
		for _, i := range groups[first.Mapping.Resource.String()+"/"+first.Namespace] {
			for at := range list.Items {
				if item := &list.Items[at]; item.GetName() == wanted[i].Name {
					item.SetGroupVersionKind(wanted[i].Mapping.GroupVersionKind)
					result[i] = item
				}
			}
		}
		return nil
	})
	return result
}
