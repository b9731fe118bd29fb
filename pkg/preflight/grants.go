package preflight

import (
	"context"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// maxGrants bounds the questions about what roles grant.
const maxGrants = 200

// grants are what the roles of the chart allow: the API server lets no user grant
// what they do not have, unless they may escalate. It says so of the first role
// only, and not before the user may write it.
func (c *check) grants(ctx context.Context) []need {
	var all []need
	for _, o := range c.objects {
		if o.GroupVersionKind().Group != rbacv1.GroupName || !c.isWritten(o) {
			continue
		}
		resource, namespace := "clusterroles", ""
		var rules []rbacv1.PolicyRule
		switch o.GetKind() {
		case "Role":
			role, _ := as[rbacv1.Role](o) // one that does not fit has no rules
			resource, namespace, rules = "roles", o.GetNamespace(), role.Rules
		case "ClusterRole":
			role, _ := as[rbacv1.ClusterRole](o)
			rules = role.Rules
		default:
			continue
		}
		escalate := need{group: rbacv1.GroupName, resource: resource, verb: "escalate", namespace: namespace}
		if len(c.denied(ctx, []need{escalate})) > 0 {
			all = append(all, granted(o, rules, namespace)...)
		}
	}
	return all[:min(len(all), maxGrants)]
}

// isWritten reports whether the plan makes or changes the object, as far as it
// came.
func (c *check) isWritten(o object) bool {
	return c.plan.Denied != "" || slices.ContainsFunc(c.plan.Changes, func(change record.Change) bool { return change.Object == o.name() })
}

func granted(o object, rules []rbacv1.PolicyRule, namespace string) []need {
	var all []need
	for _, rule := range rules {
		if len(rule.ResourceNames) > 0 || len(rule.NonResourceURLs) > 0 {
			continue // the API server will say it
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					all = append(all, need{group: group, resource: resource, verb: verb, namespace: namespace,
						why: o.name() + " grants it, and nobody may grant what they do not have"})
				}
			}
		}
	}
	return all
}
