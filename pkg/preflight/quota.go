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

// quotas compares what the rollout needs on top of what runs with what the
// namespace still has.
func (c *check) quotas(ctx context.Context) {
	live, err := c.Client.CoreV1().ResourceQuotas(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		c.unread("ResourceQuotas of namespace "+c.Namespace, err)
		return
	}
	quotas := c.applied(live)
	if len(quotas) == 0 {
		return
	}
	given := defaults(c.limitRanges(ctx))
	for _, quota := range quotas {
		if len(quota.Spec.Scopes) > 0 || quota.Spec.ScopeSelector != nil {
			continue // which pods it counts is not told by their templates alone
		}
		for _, t := range c.templates() {
			if t.object.GetNamespace() == c.Namespace {
				c.quota(ctx, quota, t, given)
			}
		}
	}
}

// applied are the quotas when the pods come: Helm applies those of the chart before
// any workload, and what is used stays used.
func (c *check) applied(live *corev1.ResourceQuotaList) []corev1.ResourceQuota {
	var all []corev1.ResourceQuota
	if live != nil {
		all = live.Items
	}
	for _, next := range manifested[corev1.ResourceQuota](c, "ResourceQuota") {
		i := slices.IndexFunc(all, func(q corev1.ResourceQuota) bool { return q.Name == next.Name })
		if i < 0 {
			all = append(all, next)
			continue
		}
		all[i].Spec = next.Spec
	}
	return all
}

// manifested are the manifest's objects of one of the core kinds, in the namespace.
func manifested[T any](c *check, kind string) []T {
	var all []T
	for _, o := range c.objects {
		if gk := o.GroupVersionKind().GroupKind(); gk.Group != "" || gk.Kind != kind || o.GetNamespace() != c.Namespace {
			continue
		}
		if typed, ok := as[T](o); ok {
			all = append(all, typed)
		}
	}
	return all
}

// quota checks whether one new pod fits, and whether the surge does. An existing
// Deployment needs its surge on top, a new one all its pods.
func (c *check) quota(ctx context.Context, quota corev1.ResourceQuota, t template, given corev1.ResourceRequirements) {
	surge := t.surge
	if !c.exists(ctx, t) {
		surge = t.replicas
	}
	for name, hard := range quota.Spec.Hard {
		one, counted, set := usage(t.pod.Spec, name, given)
		if !counted {
			continue
		}
		object := fmt.Sprintf("%s of ResourceQuota/%s", name, quota.Name)
		if !set {
			c.add(record.Concern{Code: "preflight/quota", Object: t.object.name(), Blocks: true,
				Message: fmt.Sprintf("a container sets no %s, which ResourceQuota/%s demands: no pod will be admitted", name, quota.Name),
				Advice:  "set it in the chart's values"})
			continue
		}
		used := quota.Status.Used[name]
		free := hard.DeepCopy()
		free.Sub(used)
		needs := resource.NewQuantity(0, one.Format)
		for range surge {
			needs.Add(one)
		}
		figures := fmt.Sprintf("a new pod needs %s, the surge of %d %s, used are %s of %s", one.String(), surge, needs.String(), used.String(), hard.String())
		switch {
		case surge > 0 && one.Cmp(free) > 0 && t.canShrink():
			c.add(record.Concern{Code: "preflight/quota", Object: t.object.name(), Message: object + " has no room for the surge: " + figures + "; the rollout waits for old pods to end"})
		case surge > 0 && one.Cmp(free) > 0:
			c.add(record.Concern{Code: "preflight/quota", Object: t.object.name(), Message: object + " has no room for one new pod: " + figures,
				Advice: "raise the quota, or allow maxUnavailable", Blocks: true})
		case needs.Cmp(free) > 0:
			c.add(record.Concern{Code: "preflight/quota", Object: t.object.name(), Message: object + " has no room for the whole surge: " + figures + "; the rollout takes longer"})
		}
	}
}

// canShrink reports whether old pods may end before new ones are ready.
func (t template) canShrink() bool {
	if t.deploy == nil {
		return true
	}
	_, unavailable := rolling(t.deploy)
	return unavailable > 0
}

// exists reports whether a workload runs already; in doubt it does, which needs less.
func (c *check) exists(ctx context.Context, t template) bool {
	if t.deploy == nil {
		return true
	}
	_, err := c.Client.AppsV1().Deployments(t.object.GetNamespace()).Get(ctx, t.object.GetName(), metav1.GetOptions{})
	return !apierrors.IsNotFound(err)
}

// usage is what one pod counts for a resource of a quota: counted is false for
// resources that are no matter of pods, set for a container that names none.
func usage(pod corev1.PodSpec, name corev1.ResourceName, given corev1.ResourceRequirements) (sum resource.Quantity, counted, set bool) {
	if name == corev1.ResourcePods || name == "count/pods" {
		return *resource.NewQuantity(1, resource.DecimalSI), true, true
	}
	kind, wanted := "requests", strings.TrimPrefix(string(name), "requests.")
	if rest, limits := strings.CutPrefix(string(name), "limits."); limits {
		kind, wanted = "limits", rest
	}
	key := corev1.ResourceName(wanted)
	if key != corev1.ResourceCPU && key != corev1.ResourceMemory && key != corev1.ResourceEphemeralStorage {
		return sum, false, false
	}
	of := func(own corev1.ResourceRequirements) (resource.Quantity, bool) {
		if kind == "limits" {
			q, found := own.Limits[key]
			return q, found
		}
		// The API server takes a limit for the request where there is none.
		if q, found := own.Requests[key]; found {
			return q, true
		}
		q, found := own.Limits[key]
		return q, found
	}
	if pod.Resources != nil {
		if q, found := of(*pod.Resources); found {
			return q, true, true // what the pod says as a whole counts instead of its containers
		}
	}
	sum, set = ofContainers(pod, func(c corev1.Container) (resource.Quantity, bool) {
		if q, found := of(c.Resources); found {
			return q, true
		}
		fallback := given.Requests
		if kind == "limits" {
			fallback = given.Limits
		}
		q, found := fallback[key]
		return q, found || key == corev1.ResourceEphemeralStorage
	})
	return sum, true, set
}

// ofContainers adds up the containers and sidecars; an init container runs beside the sidecars
// before it only. all reports whether each of them says something.
func ofContainers(pod corev1.PodSpec, of func(corev1.Container) (resource.Quantity, bool)) (sum resource.Quantity, all bool) {
	all = true
	sidecars, most := resource.Quantity{}, resource.Quantity{}
	for _, c := range pod.InitContainers {
		q, found := of(c)
		all = all && found
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sidecars.Add(q)
			continue
		}
		q = q.DeepCopy()
		q.Add(sidecars)
		if q.Cmp(most) > 0 {
			most = q
		}
	}
	for _, c := range pod.Containers {
		q, found := of(c)
		all = all && found
		sum.Add(q)
	}
	sum.Add(sidecars)
	if most.Cmp(sum) > 0 {
		sum = most
	}
	return sum, all
}
