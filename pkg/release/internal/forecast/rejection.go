// Package forecast says what the API server's answers to a dry run mean: why it would
// reject objects and what to do about it, and what is lost with those that go.
package forecast

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
)

// Rejection is the API server's refusal of one object.
type Rejection struct {
	Info   *resource.Info             // what was asked for
	Live   *unstructured.Unstructured // what is there, nil for none
	Status metav1.Status
}

// Rejected makes one error of all refusals.
func Rejected(doing string, rejections []Rejection) error {
	slices.SortFunc(rejections, func(a, b Rejection) int { return strings.Compare(live.Key(a.Info), live.Key(b.Info)) })
	var lines []string
	fixed := false
	for _, r := range rejections {
		line, isFixed := r.explain()
		lines = append(lines, live.Name(r.Info)+": "+line)
		fixed = fixed || isFixed
	}
	what := "the API server would reject " + strings.Join(lines, "; ")
	if len(lines) > 1 {
		what = fmt.Sprintf("the API server would reject %d objects:\n  %s", len(lines), strings.Join(lines, "\n  "))
	}
	if fixed {
		return record.Refused("release/immutable-field", "%s: %s", doing, what)
	}
	return record.Refused("release/rejected", "%s: %s", doing, what)
}

// explain says why an object was refused, and whether because a field of it
// cannot be changed.
func (r Rejection) explain() (string, bool) {
	var paths []string
	if details := r.Status.Details; details != nil && r.Live != nil {
		for _, cause := range details.Causes {
			if apierror.IsImmutable(cause.Message) {
				paths = append(paths, r.changed(cause)...)
			}
		}
	}
	if noNamespace.MatchString(r.Status.Message) {
		return r.message() + "; make it first, or let the chart make it", false
	}
	if len(paths) == 0 && (r.Live == nil || !apierror.IsImmutable(r.Status.Message)) {
		return r.message(), false
	}
	if len(paths) == 0 {
		return r.message() + "; " + r.advice(), true
	}
	return strings.Join(paths, ", ") + " cannot be changed; " + r.advice(), true
}

// noNamespace are the API server's words for a namespace that is not there.
var noNamespace = regexp.MustCompile(`^namespaces "[^"]*" not found$`)

// message is the API server's, without what may be a Secret's content.
func (r Rejection) message() string {
	if r.Info.Mapping.GroupVersionKind.Kind != "Secret" {
		return apierror.Message(errors.New(r.Status.Message))
	}
	var paths []string
	if r.Status.Details != nil {
		for _, cause := range r.Status.Details.Causes {
			paths = append(paths, cause.Field)
		}
	}
	return fmt.Sprintf("rejected fields %q; the message is withheld because it may hold the Secret's content", paths)
}

// changed names the fields that a cause is about, with their values on both sides.
func (r Rejection) changed(cause metav1.StatusCause) []string {
	wanted, err := live.Content(r.Info.Object)
	if err != nil {
		return []string{cause.Field}
	}
	from, to := objectdiff.At(r.Live.Object, cause.Field), objectdiff.At(wanted.Object, cause.Field)
	allowed := quoted.FindAllStringSubmatch(cause.Message, -1)
	if cause.Field == "spec" && len(allowed) > 0 {
		return r.changedBeyond(manifest.MapOf(from), manifest.MapOf(to), allowed)
	}
	c := objectdiff.Comparison{}
	c.Value(cause.Field, to, to, from, true, objectdiff.Writers{})
	if len(c.Paths) == 0 || r.Info.Mapping.GroupVersionKind.Kind == "Secret" {
		return []string{cause.Field}
	}
	if len(c.Paths) > 1 {
		return []string{cause.Field + " (" + objectdiff.Short(from) + " -> " + objectdiff.Short(to) + ")"}
	}
	return []string{c.Paths[0] + " (" + objectdiff.Short(objectdiff.At(r.Live.Object, c.Paths[0])) + " -> " + objectdiff.Short(objectdiff.At(wanted.Object, c.Paths[0])) + ")"}
}

// quoted are the names of the fields that a StatefulSet lets one change.
var quoted = regexp.MustCompile(`'([a-zA-Z]+)'`)

// changedBeyond names what differs besides the fields that may.
func (r Rejection) changedBeyond(from, to map[string]any, allowed [][]string) []string {
	var result []string
	for _, k := range objectdiff.Keys(to) {
		if slices.ContainsFunc(allowed, func(name []string) bool { return name[1] == k }) {
			continue
		}
		c := objectdiff.Comparison{}
		c.Value("spec."+k, to[k], to[k], from[k], true, objectdiff.Writers{})
		for _, path := range c.Paths {
			wanted := manifest.MapOf(r.Info.Object.(*unstructured.Unstructured).Object) // the caller has looked
			result = append(result, path+" ("+objectdiff.Short(objectdiff.At(r.Live.Object, path))+" -> "+objectdiff.Short(objectdiff.At(wanted, path))+")")
		}
	}
	return result
}

// advice says what to do about a field that cannot be changed.
func (r Rejection) advice() string {
	kind, where := strings.ToLower(r.Info.Mapping.GroupVersionKind.Kind), ""
	if r.Info.Namespace != "" {
		where = " --namespace " + r.Info.Namespace
	}
	command := "kubectl delete " + kind + " " + r.Info.Name + where
	switch r.Info.Mapping.GroupVersionKind.Kind {
	case "PersistentVolumeClaim", "PersistentVolume":
		return "undo the change, or use another name and move the data"
	case "StatefulSet":
		return "undo the change, or let the pods run on while the object is made anew: " + command + " --cascade=orphan"
	case "Job":
		return "make it a hook (helm.sh/hook: pre-upgrade with helm.sh/hook-delete-policy: before-hook-creation), give it another name in each revision, or delete it before the deploy: " + command
	case "Deployment", "DaemonSet":
		return "undo the change, give the object another name, or delete it before the deploy (its pods stop): " + command
	}
	return "undo the change, give the object another name, or delete it before the deploy: " + command
}
