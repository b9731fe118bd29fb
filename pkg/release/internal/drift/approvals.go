package drift

import (
	"crypto/sha256"
	"encoding/json"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
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

// Approve keeps that an object is what its manifest says: it need not be compared
// again before the next write to it.
func (c *Comparer) Approve(wanted *resource.Info, found *unstructured.Unstructured) {
	text, err := json.Marshal(wanted.Object)
	if err != nil {
		return
	}
	c.approvals.mu.Lock()
	defer c.approvals.mu.Unlock()
	if c.approvals.stamps == nil {
		c.approvals.stamps = map[string]stamp{}
	}
	c.approvals.stamps[live.Key(wanted)] = stamp{sha256.Sum256(text), string(found.GetUID()), found.GetResourceVersion(), found.GetGeneration()}
}

// ApproveAll approves objects that were just made of their manifests: made gives the
// one that a wanted one became, nil for none.
func (c *Comparer) ApproveAll(wanted []*resource.Info, made func(*resource.Info) *resource.Info) {
	for _, info := range wanted {
		if now := made(info); now != nil {
			if found, err := live.Content(now.Object); err == nil && found.GetUID() != "" {
				c.Approve(info, found)
			}
		}
	}
}

// isUnchanged reports whether no client has written what the manifest is about since
// the object was approved. A new generation means a new spec; the labels and
// annotations have none.
func (c *Comparer) isUnchanged(wanted *resource.Info, found *unstructured.Unstructured) bool {
	text, err := json.Marshal(wanted.Object)
	c.approvals.mu.Lock()
	known, isKnown := c.approvals.stamps[live.Key(wanted)]
	c.approvals.mu.Unlock()
	if err != nil || !isKnown || known.manifest != sha256.Sum256(text) || known.uid != string(found.GetUID()) || found.GetDeletionTimestamp() != nil {
		return false
	}
	if known.state == found.GetResourceVersion() {
		return true
	}
	declared, err := live.Content(wanted.Object)
	return err == nil && known.generation > 0 && known.generation == found.GetGeneration() &&
		contained(declared.GetLabels(), found.GetLabels()) && contained(declared.GetAnnotations(), found.GetAnnotations())
}

func contained(part, whole map[string]string) bool {
	for k, v := range part {
		if got, found := whole[k]; !found || got != v {
			return false
		}
	}
	return true
}
