package release

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	helmkube "helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"
)

// How Helm marks what belongs to a release.
const (
	labelManagedBy      = "app.kubernetes.io/managed-by"
	annotationName      = "meta.helm.sh/release-name"
	annotationNamespace = "meta.helm.sh/release-namespace"
)

// leftover is an object that an earlier revision made and that is in the
// manifest of none since.
type leftover struct {
	info     *resource.Info
	revision int  // the newest that had it
	data     bool // it is never removed, because data would go with it
}

// holdsData tells kinds whose removal destroys what cannot be made again.
func holdsData(kind string) bool {
	return slices.Contains([]string{"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"}, kind)
}

// owns reports whether Helm made the object for this release.
func (c *client) owns(object metav1.Object) bool {
	return object.GetLabels()[labelManagedBy] == "Helm" &&
		object.GetAnnotations()[annotationName] == c.name &&
		object.GetAnnotations()[annotationNamespace] == c.namespace
}

// leftovers finds what earlier revisions left and the present one does not have.
func (c *client) leftovers() ([]leftover, error) {
	var result []leftover
	present := map[types.UID]bool{}
	for _, info := range c.lastUpdate.target {
		if object, err := meta.Accessor(info.Object); err == nil {
			present[object.GetUID()] = true
		}
	}
	seen := map[string]bool{}
	for _, info := range c.lastUpdate.target {
		seen[key(info)] = true
	}
	for _, revision := range slices.Backward(c.lastUpdate.earlier) {
		for _, object := range revision.objects {
			info, err := c.place(object)
			if meta.IsNoMatchError(err) {
				continue // with the kind went its objects
			}
			if err != nil {
				return nil, err
			}
			if seen[key(info)] {
				continue
			}
			seen[key(info)] = true
			found, err := live(info)
			switch {
			case apierrors.IsNotFound(err), err == nil && (present[found.GetUID()] || c.stays(found)):
				continue
			case err != nil:
				return nil, fmt.Errorf("looking for %s of revision %d: %w", named(info), revision.version, err)
			}
			result = append(result, leftover{with(info, found), revision.version, holdsData(found.GetKind())})
		}
	}
	return result, nil
}

// stays reports whether a live object is not this release's to remove.
func (c *client) stays(object *unstructured.Unstructured) bool {
	return !c.owns(object) || object.GetDeletionTimestamp() != nil ||
		object.GetAnnotations()[helmkube.ResourcePolicyAnno] == helmkube.KeepPolicy
}

// place gives an object of a manifest its place in the API.
func (c *client) place(object *unstructured.Unstructured) (*resource.Info, error) {
	asJSON, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	infos, err := c.Client.Build(bytes.NewReader(asJSON), false)
	if err != nil {
		return nil, err
	}
	if len(infos) != 1 {
		return nil, fmt.Errorf("reading %s: %w", object.GetKind(), errNoContent)
	}
	return infos[0], nil
}

// removeLeftovers removes what earlier revisions left, and says in one line each
// what it did.
func (c *client) removeLeftovers() ([]string, error) {
	found, err := c.leftovers()
	if err != nil {
		return nil, err
	}
	var lines []string
	var errs []error
	for _, l := range found {
		if l.data {
			lines = append(lines, keptLine(l.info, l.revision))
			continue
		}
		if err := remove(l.info); err != nil {
			errs = append(errs, fmt.Errorf("removing %s, left over from revision %d: %w", named(l.info), l.revision, err))
			continue
		}
		lines = append(lines, fmt.Sprintf("removed %s, left over from revision %d", named(l.info), l.revision))
	}
	return lines, errors.Join(errs...)
}

func keptLine(info *resource.Info, revision int) string {
	return fmt.Sprintf("left %s of revision %d in place, because data may go with it; remove it by hand if nobody needs it", named(info), revision)
}

// remove deletes exactly the object that was seen.
func remove(info *resource.Info) error {
	object, err := meta.Accessor(info.Object)
	if err != nil {
		return err
	}
	uid, background := object.GetUID(), metav1.DeletePropagationBackground
	_, err = helper(info).DeleteWithOptions(info.Namespace, info.Name, &metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &background,
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // gone, or another one by that name
	}
	return err
}
