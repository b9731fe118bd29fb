// Package health knows what live objects say of themselves that no rollout waits for: what
// is wrong with them keeps no pod from serving, and goes unseen.
package health

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxWords bounds what is told of a condition or an event, in bytes.
const maxWords = 300

// looker looks at the objects of one revision.
type looker struct {
	client kubernetes.Interface
	wanted []*resource.Info // of the revision, as its manifest says
	now    time.Time
}

// Doubts says, a line each, which of a revision's objects are not as they should be once its
// pods serve: a PodDisruptionBudget or NetworkPolicy that selects no pod, a ServiceMonitor that selects no Service, an Ingress that its controller gives
// no address, a route that no Gateway takes, a custom resource whose controller says that it is not ready. What cannot be
// read is left out, and so is what the API server has no answer for.
func Doubts(ctx context.Context, client kubernetes.Interface, wanted []*resource.Info, now time.Time) []string {
	l := looker{client: client, wanted: wanted, now: now}
	said := make([]string, len(wanted))
	_ = live.Each(ctx, wanted, func(i int, info *resource.Info) error {
		look := l.lookOf(info)
		if look == nil {
			return nil
		}
		found, err := live.Get(info)
		if err != nil {
			return err
		}
		said[i] = look(ctx, found)
		return nil
	})
	var all []string
	for _, line := range said {
		if line != "" {
			all = append(all, line)
		}
	}
	return all
}

// lookOf is how an object is looked at, nil for one that is not.
func (l looker) lookOf(info *resource.Info) func(context.Context, *unstructured.Unstructured) string {
	kind := info.Mapping.GroupVersionKind
	switch {
	case kind.Group == "policy" && kind.Kind == "PodDisruptionBudget":
		return l.selecting("selector")
	case kind.Group == "networking.k8s.io" && kind.Kind == "NetworkPolicy":
		return l.selecting("podSelector")
	case kind.Group == "networking.k8s.io" && kind.Kind == "Ingress":
		return l.ingress
	case kind.Group == "gateway.networking.k8s.io" && strings.HasSuffix(kind.Kind, "Route"):
		return l.route
	case kind.Group == "monitoring.coreos.com" && kind.Kind == "ServiceMonitor":
		return l.monitored
	case scheme.Scheme.IsGroupRegistered(kind.Group), kind.Group == "apiextensions.k8s.io", kind.Group == "apiregistration.k8s.io":
		return nil
	}
	return l.custom
}

// custom goes by what controllers have agreed on: the condition Ready, and Stalled where one
// has given up. What is said of an older generation says nothing of this one. A release
// whose custom resource stays so is called good by what looks at pods only
// (https://github.com/openchoreo/openchoreo/issues/4336,
// https://github.com/external-secrets/external-secrets/issues/2419), and one that waits for
// each of them waits for those that are not ready on purpose
// (https://github.com/hrishikeshdkakkad/fluidbox/pull/208): it is told.
func (l looker) custom(_ context.Context, object *unstructured.Unstructured) string {
	if seen, found, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration"); found && seen < object.GetGeneration() {
		return ""
	}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	said := map[string]map[string]any{}
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok {
			said[fmt.Sprint(c["type"], "=", c["status"])] = c
		}
	}
	for _, bad := range []struct{ condition, words string }{{"Stalled=True", "its controller has given up"}, {"Ready=False", "it is not ready"}} {
		c, found := said[bad.condition]
		if !found || isOlder(c, object) {
			continue
		}
		kind := object.GroupVersionKind()
		return fmt.Sprintf("%s.%s/%s: %s%s (%s%s)", kind.Kind, kind.Group, object.GetName(), bad.words, l.since(c["lastTransitionTime"]), bad.condition, explanation(c))
	}
	return ""
}

// isOlder reports whether a condition is of an earlier generation.
func isOlder(c map[string]any, object *unstructured.Unstructured) bool {
	seen, has := c["observedGeneration"].(int64)
	return has && seen < object.GetGeneration()
}

// since is how long a condition is as it is, "" where it does not say.
func (l looker) since(at any) string {
	began, err := time.Parse(time.RFC3339, fmt.Sprint(at))
	if err != nil {
		return ""
	}
	return " since " + text.Duration(max(0, l.now.Sub(began)).Round(time.Second))
}

// explanation is the reason of a condition, and its message.
func explanation(c map[string]any) string {
	said := ""
	for _, key := range []string{"reason", "message"} {
		if value, _ := c[key].(string); strings.TrimSpace(value) != "" {
			said += ": " + text.Middle(value, maxWords)
		}
	}
	return said
}

// isDenied reports whether the API server does not let look.
func isDenied(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) }
