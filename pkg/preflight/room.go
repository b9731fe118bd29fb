package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// namespace checks whether the namespace is there, and not on its way out.
func (c *check) namespace(ctx context.Context) {
	namespace, err := c.Client.CoreV1().Namespaces().Get(ctx, c.Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		c.add(record.Concern{Code: "preflight/namespace-new", Object: "Namespace/" + c.Namespace,
			Message: "it is not there: the deploy makes it, with nothing in it but what the chart makes", Advice: "if another one was meant, correct --namespace"})
		return
	}
	if err == nil && (namespace.DeletionTimestamp != nil || namespace.Status.Phase == corev1.NamespaceTerminating) {
		c.add(record.Concern{Code: "preflight/namespace-terminating", Object: "Namespace/" + c.Namespace, Blocks: true,
			Message: "it is being deleted: nothing new can be made in it", Advice: "wait until it is gone and deploy again, or deploy to another one"})
	}
}

// room compares the number of objects that a deploy makes with what quotas leave.
// Helm keeps a record of each revision in a Secret, and a rollback needs one more:
// without room for it a release that fails cannot be put back.
func (c *check) room(ctx context.Context) {
	quotas, err := c.Client.CoreV1().ResourceQuotas(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil || len(quotas.Items) == 0 {
		return // quotas says so
	}
	needs := c.creates()
	for _, quota := range quotas.Items {
		for name, hard := range quota.Spec.Hard {
			need := needs[counted(name)]
			if need.count == 0 {
				continue
			}
			free := hard.DeepCopy()
			free.Sub(quota.Status.Used[name])
			wanted := resource.NewQuantity(need.count, resource.DecimalSI)
			if wanted.Cmp(free) <= 0 {
				continue
			}
			used := quota.Status.Used[name]
			c.add(record.Concern{Code: "preflight/quota", Object: fmt.Sprintf("%s of ResourceQuota/%s", name, quota.Name), Blocks: true,
				Message: fmt.Sprintf("it has no room for %s: used are %s of %s", need, used.String(), hard.String()), Advice: "raise it, or remove what nobody needs"})
		}
	}
}

// creation is how many objects of a resource would be made, and what they are.
type creation struct {
	count int64
	names []string
}

func (c creation) String() string {
	const shown = 5
	names := c.names
	if len(names) > shown {
		names = append(slices.Clone(names[:shown]), fmt.Sprintf("%d more", len(c.names)-shown))
	}
	return strings.Join(names, ", ")
}

// creates counts what the deploy makes, by the resource as quotas count it.
func (c *check) creates() map[string]creation {
	all := map[string]creation{}
	add := func(resource, what string) {
		n := all[resource]
		n.count++
		n.names = append(n.names, what)
		all[resource] = n
	}
	add("secrets", "Helm's record of the new revision")
	if c.plan.Image != (record.Image{}) && c.plan.Applied.Revision.Number > 1 {
		add("secrets", "the record of a rollback")
	}
	made := map[string]bool{}
	for _, change := range c.plan.Changes {
		made[change.Object] = change.Action == record.ActionCreate
	}
	kinds := c.resources()
	for _, o := range c.objects {
		kind, known := kinds[o.GroupVersionKind()]
		if !known || !kind.Namespaced || o.GetNamespace() != c.Namespace || !made[o.name()] {
			continue
		}
		resource := kind.Name
		if group := o.GroupVersionKind().Group; group != "" {
			resource += "." + group
		}
		add(resource, o.name())
	}
	return all
}

// counted is the resource whose objects a name in a quota counts: count/secrets,
// secrets, count/deployments.apps.
func counted(name corev1.ResourceName) string {
	rest, _ := strings.CutPrefix(string(name), "count/")
	return rest
}
