package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	helmkube "helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/forecast"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// planClient is Helm's client for a plan: it tries all objects, each for itself, and
// keeps what the API server says instead of stopping at the first refusal.
type planClient struct {
	*client
	doing   string         // what is planned
	first   bool           // whether the release is not there yet
	unbuilt string         // the digest of an image that is a placeholder, in hex; "" for one that is there
	crds    []manifest.CRD // in the chart's folder crds

	manifest string                // of the chart, as far as Helm came
	built    helmkube.ResourceList // its objects
	current  helmkube.ResourceList // those of the record that is upgraded
	tried    helmkube.ResourceList // those of the last creation or update
	existing []string              // the definitions of crds that are there

	mu         sync.Mutex
	changes    []record.Change
	deleted    []record.Deletion
	untried    []record.Change // of kinds that the chart brings
	rejections []forecast.Rejection
	denied     []string // what the user of the kubeconfig may not do
}

// Update tries to create or patch all objects.
func (t *planClient) Update(original, target helmkube.ResourceList, _ bool) (*helmkube.Result, error) {
	none := &helmkube.Result{}
	t.tried = target
	if t.isRollback { // before an upgrade Helm looks by itself
		if err := t.refuseForeign(original, target); err != nil {
			return none, err
		}
	}
	bases, sent, anew, err := t.prepare(original, target)
	if err != nil {
		return none, err
	}
	changes := make([]*record.Change, len(sent))
	if err := live.Each(t.ctx, sent, func(i int, info *resource.Info) (err error) {
		if anew.Contains(info) {
			changes[i] = &record.Change{Object: live.Name(info), Action: record.ActionUpdate, Note: "is made anew"}
			return nil
		}
		changes[i], err = t.try(bases.Get(info), info)
		return err
	}); err != nil {
		return none, err
	}
	for _, change := range changes {
		if change != nil {
			t.changes = append(t.changes, *change)
		}
	}
	t.lastUpdate.target = target
	return none, t.deletions(bases, sent)
}

// try sends what Helm would send for one object.
func (t *planClient) try(base, info *resource.Info) (*record.Change, error) {
	before, err := live.Get(info)
	if apierrors.IsNotFound(err) {
		object, err := live.Content(info.Object)
		if err != nil {
			return nil, err
		}
		change := &record.Change{Object: live.Name(info), Action: record.ActionCreate, Diff: objectdiff.Unified("live", "planned", nil, object)}
		return change, t.tryCreate(info)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", live.Name(info), err)
	}
	wanted := live.With(info, info.Object.DeepCopyObject())
	if _, err := t.Client.Update(helmkube.ResourceList{base}, helmkube.ResourceList{info}, false); err != nil {
		return nil, t.reject(wanted, before, err)
	}
	after, err := live.Content(info.Object)
	if err != nil {
		return nil, err
	}
	gone := forecast.ScaledAway(t.ctx, t.typed, before, after)
	t.mu.Lock()
	t.deleted = append(t.deleted, gone...)
	t.mu.Unlock()
	if diff := objectdiff.Unified("live", "planned", before, after); diff != "" {
		return &record.Change{Object: live.Name(info), Action: record.ActionUpdate, Diff: diff, OneWay: manifest.Irreversible(before, after)}, nil
	}
	return nil, nil
}

// tryCreate tries an object that is not there. When its namespace is not there
// either, and comes with the change, its form is checked in another one.
func (t *planClient) tryCreate(info *resource.Info) error {
	_, err := t.Client.Create(helmkube.ResourceList{live.With(info, info.Object.DeepCopyObject())})
	if !apierrors.IsNotFound(err) || info.Namespace == "" || !t.brings(info.Namespace) {
		return t.reject(info, nil, err)
	}
	object, contentErr := live.Content(info.Object.DeepCopyObject())
	if contentErr != nil {
		return contentErr
	}
	object.SetNamespace(elsewhere)
	there := live.With(info, object)
	there.Namespace = elsewhere
	if _, err = t.Client.Create(helmkube.ResourceList{there}); apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
		return t.reject(info, nil, err)
	}
	return nil
}

// brings reports whether a namespace is there once the objects are applied: the release's
// own is made for it, another one only by the chart
// (https://github.com/helm/helm/issues/2013).
func (t *planClient) brings(namespace string) bool {
	return namespace == t.owner.Namespace || slices.ContainsFunc(slices.Concat(t.built, t.tried), func(info *resource.Info) bool {
		return info.Mapping.GroupVersionKind.GroupKind() == (schema.GroupKind{Kind: "Namespace"}) && info.Name == namespace
	})
}

// elsewhere is a namespace that every cluster has.
const elsewhere = "default"

// reject keeps a refusal; an error that is none is given back.
func (t *planClient) reject(info *resource.Info, before *unstructured.Unstructured, err error) error {
	if err == nil {
		return nil
	}
	status, isAnswer := t.answer(info, err)
	if !isAnswer {
		return err
	}
	answer := &apierrors.StatusError{ErrStatus: status}
	switch {
	case apierror.IsUnreachable(answer), apierror.IsTerminating(answer):
		return fmt.Errorf("%s: %w", live.Name(info), answer)
	case apierror.LacksPermission(status.Message):
		t.mu.Lock()
		defer t.mu.Unlock()
		t.denied = append(t.denied, live.Name(info)+": "+apierror.Message(answer))
		return nil
	case apierror.IsPolicy(status.Message) && t.awaits(info):
		t.log.Warn("a policy of the cluster refuses the object with an image that is not built yet; it is asked again with the image", "object", live.Name(info), "policy", apierror.Message(answer))
		return nil
	case strings.Contains(status.Message, "does not support dry run"):
		t.log.Warn("an admission webhook cannot be asked in a dry run; the object was not tried", "object", live.Name(info))
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rejections = append(t.rejections, forecast.Rejection{Info: info, Live: before, Status: status})
	return nil
}

// awaits reports whether an object has the image that is not built yet. A policy's no to any
// other is one that the image will not change.
func (t *planClient) awaits(info *resource.Info) bool {
	object, err := live.Content(info.Object)
	return err == nil && t.hasUnbuilt(object)
}

// hasUnbuilt looks for the placeholder's digits, of which charts make images in many ways.
func (t *planClient) hasUnbuilt(object *unstructured.Unstructured) bool {
	return t.unbuilt != "" && text.Anywhere(object.Object, func(s string) bool { return strings.Contains(s, t.unbuilt) })
}

// answer finds what the API server said. Of a refused patch Helm keeps the words only.
func (t *planClient) answer(info *resource.Info, err error) (metav1.Status, bool) {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status(), true
	}
	path := info.Client.Get().NamespaceIfScoped(info.Namespace, info.Namespace != "").
		Resource(info.Mapping.Resource.Resource).Name(info.Name).URL().Path
	return t.requests.Refusal(path)
}

// deletions lists what Helm would remove.
func (t *planClient) deletions(original, target helmkube.ResourceList) error {
	for _, info := range original.Difference(target) {
		found, err := live.Get(info)
		if apierrors.IsNotFound(err) || err == nil && live.IsKept(found) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", live.Name(info), err)
		}
		t.changes = append(t.changes, record.Change{Object: live.Name(info), Action: record.ActionDelete})
		if found.GetDeletionTimestamp() == nil {
			t.deleted = append(t.deleted, forecast.Deletion(t.ctx, t.typed, found))
		}
	}
	left, err := t.leftovers()
	for _, l := range left {
		if l.Data || slices.ContainsFunc(t.changes, func(c record.Change) bool { return c.Object == live.Name(l.Info) && c.Action == record.ActionDelete }) {
			continue
		}
		t.changes = append(t.changes, record.Change{Object: live.Name(l.Info), Action: record.ActionDelete})
		if found, contentErr := live.Content(l.Info.Object); contentErr == nil {
			t.deleted = append(t.deleted, forecast.Deletion(t.ctx, t.typed, found))
		}
	}
	return err
}

// Delete changes nothing.
func (t *planClient) Delete(helmkube.ResourceList) (*helmkube.Result, []error) {
	return &helmkube.Result{}, nil
}

// Wait waits for nothing: nothing was changed.
func (t *planClient) Wait(helmkube.ResourceList, time.Duration) error { return nil }

// WaitForDelete waits for nothing.
func (t *planClient) WaitForDelete(helmkube.ResourceList, time.Duration) error { return nil }

// WatchUntilReady waits for nothing.
func (t *planClient) WatchUntilReady(helmkube.ResourceList, time.Duration) error { return nil }

// remarks are what the API server said about objects that it takes: fields that it does not know
// and drops, versions that will go, pods that a policy is only to warn of. What a template says
// twice it never sees.
func (t *planClient) remarks(document string) []record.Concern {
	var all []record.Concern
	for _, line := range manifest.Repeated(document) {
		all = append(all, record.Concern{Code: "preflight/remark", Message: line + ": the last one counts"})
	}
	for _, w := range t.requests.Warnings() {
		all = append(all, record.Concern{Code: "preflight/remark", Object: w.Object, Message: "the API server remarks: " + apierror.Message(errors.New(w.Text))})
	}
	return all
}
