package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// need is something that a deploy does.
type need struct {
	group, resource, subresource, verb string
	namespace                          string // "" for the whole cluster
	name                               string // "" for any
	why                                string
	optional                           bool // without it a deploy works, but explains less
}

// needs of every deploy, whatever the chart holds.
func (c *check) needs() []need {
	var all []need
	add := func(optional bool, why, group, resource, subresource string, verbs ...string) {
		for _, verb := range verbs {
			all = append(all, need{group: group, resource: resource, subresource: subresource, verb: verb, namespace: c.Namespace, why: why, optional: optional})
		}
	}
	add(false, "Helm keeps its records in Secrets", "", "secrets", "", "get", "list", "create", "update", "delete")
	add(false, "a Lease is the lock", "coordination.k8s.io", "leases", "", "get", "create", "update")
	add(false, "the rollout is watched", "", "pods", "", "get", "list", "watch")
	for _, resource := range []string{"replicasets", "deployments"} {
		add(false, "the rollout is watched", "apps", resource, "", "list", "watch")
	}
	add(false, "the Services must lead to the new pods", "discovery.k8s.io", "endpointslices", "", "list", "watch")
	add(true, "events explain what goes wrong", "", "events", "", "list", "watch")
	add(true, "logs explain what goes wrong", "", "pods", "log", "get")
	add(true, "claims that are not bound explain a pod that waits", "", "persistentvolumeclaims", "", "list", "watch")
	add(true, "a number of replicas that an autoscaler sets is left alone, and the least one that it asks for is waited for", "autoscaling", "horizontalpodautoscalers", "", "list", "watch")
	add(true, "stuck pods of StatefulSets are freed", "", "pods", "", "delete")
	if c.Forwarding {
		add(false, "smoke checks are sent to each pod", "", "pods", "portforward", "create")
		add(false, "smoke checks are sent through each Service", "", "services", "proxy", "get")
	}
	return all
}

// writes are what Helm does with the objects of the chart.
func (c *check) writes() []need {
	var all []need
	kinds := c.resources()
	for _, o := range c.objects {
		kind, known := kinds[o.GroupVersionKind()]
		if !known {
			continue // the dry run has told about it
		}
		namespace := ""
		if kind.Namespaced {
			namespace = o.GetNamespace()
		}
		for _, verb := range []string{"get", "create", "update", "patch", "delete"} {
			all = append(all, need{group: o.GroupVersionKind().Group, resource: kind.Name, verb: verb, namespace: namespace, why: "the chart holds " + o.name()})
		}
		if record.IsWatched(o.GetAPIVersion(), o.GetKind()) {
			for _, verb := range []string{"list", "watch"} {
				all = append(all, need{group: o.GroupVersionKind().Group, resource: kind.Name, verb: verb, namespace: namespace, why: "the rollout is watched"})
			}
		}
	}
	return all
}

// resources is how the API calls the kinds of the manifest.
func (c *check) resources() map[schema.GroupVersionKind]metav1.APIResource {
	c.once.Do(func() { c.kinds = c.discover() })
	return c.kinds
}

func (c *check) discover() map[schema.GroupVersionKind]metav1.APIResource {
	found := map[schema.GroupVersionKind]metav1.APIResource{}
	asked := map[schema.GroupVersion]bool{}
	for _, o := range c.objects {
		version := o.GroupVersionKind().GroupVersion()
		if asked[version] {
			continue
		}
		asked[version] = true
		list, err := c.Client.Discovery().ServerResourcesForGroupVersion(version.String())
		if err != nil {
			if !apierrors.IsNotFound(err) {
				c.unread("API "+version.String(), err)
			}
			continue
		}
		for _, resource := range list.APIResources {
			if !strings.Contains(resource.Name, "/") {
				found[version.WithKind(resource.Kind)] = resource
			}
		}
	}
	return found
}

// parallelReviews bounds the questions that are asked at a time.
const parallelReviews = 8

// permissions asks the API server for everything that a deploy does.
func (c *check) permissions(ctx context.Context) {
	missing := c.denied(ctx, unique(slices.Concat(c.needs(), c.writes(), c.grants(ctx))))
	for _, optional := range []bool{false, true} {
		for _, namespaced := range []bool{true, false} {
			var part []need
			for _, n := range missing {
				if n.optional == optional && (n.namespace != "") == namespaced {
					part = append(part, n)
				}
			}
			if len(part) > 0 {
				c.add(forbidden(part, optional, namespaced))
			}
		}
	}
}

// refused makes sure that a plan that the API server did not let come to its end
// is never taken for a whole one.
func (c *check) refused() {
	named := slices.ContainsFunc(c.found, func(f record.Concern) bool { return f.Code == "preflight/forbidden" && f.Blocks })
	if c.plan.Denied != "" && !named {
		c.add(record.Concern{Code: "preflight/forbidden", Message: "the API server refuses what a plan needs: " + c.plan.Denied,
			Advice: "grant the user of the kubeconfig this permission", Blocks: true})
	}
}

func unique(needs []need) []need {
	type question struct{ group, resource, subresource, verb, namespace string }
	seen := map[question]bool{}
	return slices.DeleteFunc(needs, func(n need) bool {
		q := question{n.group, n.resource, n.subresource, n.verb, n.namespace}
		again := seen[q]
		seen[q] = true
		return again
	})
}

func (c *check) denied(ctx context.Context, needs []need) []need {
	answers := make([]bool, len(needs))
	slots := make(chan struct{}, parallelReviews)
	var all sync.WaitGroup
	for i, n := range needs {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: n.namespace, Verb: n.verb, Group: n.group, Resource: n.resource, Subresource: n.subresource, Name: n.name,
				},
			}}
			var answer *authorizationv1.SelfSubjectAccessReview
			err := record.Guard(func() (err error) {
				answer, err = c.Client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
				return err
			})
			if err != nil {
				c.broken(record.Unavailable("preflight/unreachable", "asking the API server for permissions: %w", err))
				return
			}
			answers[i] = !answer.Status.Allowed
		})
	}
	all.Wait()
	var missing []need
	for i, n := range needs {
		if answers[i] {
			missing = append(missing, n)
		}
	}
	return missing
}

// forbidden makes one concern of what is missing, with the rules to add.
func forbidden(missing []need, optional, namespaced bool) record.Concern {
	role := "ClusterRole"
	where := "in the whole cluster"
	if namespaced {
		role, where = "Role", "in namespace "+missing[0].namespace
	}
	what := reasons(missing)
	const shown = 8
	if len(what) > shown {
		what = append(what[:shown:shown], fmt.Sprintf("and %d more", len(what)-shown))
	}
	message := fmt.Sprintf("the user of the kubeconfig may not, %s: %s", where, strings.Join(what, ", "))
	if optional {
		message += "; a deploy works without, but tells less about what goes wrong"
	}
	return record.Concern{Code: "preflight/forbidden", Message: message, Advice: fmt.Sprintf("add to its %s:\n%s", role, rules(missing)), Blocks: !optional}
}

// reasons are what is missing, the verbs of one resource together.
func reasons(missing []need) []string {
	type subject struct{ resource, why string }
	verbs := map[subject][]string{}
	var order []subject
	for _, n := range missing {
		s := subject{path(n), n.why}
		if verbs[s] == nil {
			order = append(order, s)
		}
		if !slices.Contains(verbs[s], n.verb) {
			verbs[s] = append(verbs[s], n.verb)
		}
	}
	var all []string
	for _, s := range order {
		all = append(all, fmt.Sprintf("%s %s (%s)", strings.Join(verbs[s], "/"), s.resource, s.why))
	}
	return all
}

func path(n need) string {
	if n.subresource != "" {
		return n.resource + "/" + n.subresource
	}
	return n.resource
}

// rules are the RBAC rules that allow what is missing, merged by group and verbs.
func rules(missing []need) string {
	verbs := map[[2]string][]string{} // by group and resource
	for _, n := range missing {
		key := [2]string{n.group, path(n)}
		verbs[key] = append(verbs[key], n.verb)
	}
	merged := map[[2]string][]string{} // resources by group and verbs
	for key, v := range verbs {
		slices.Sort(v)
		by := [2]string{key[0], strings.Join(slices.Compact(v), ", ")}
		merged[by] = append(merged[by], key[1])
	}
	var lines []string
	for by, resources := range merged {
		slices.Sort(resources)
		lines = append(lines, fmt.Sprintf("- apiGroups: [%q]\n  resources: [%s]\n  verbs: [%s]", by[0], strings.Join(resources, ", "), by[1]))
	}
	slices.Sort(lines)
	return "rules:\n" + strings.Join(lines, "\n")
}
