package preflight

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// limitRanges are those of the namespace when the pods come: the live ones and those of
// the chart, which Helm applies before any workload.
func (c *check) limitRanges(ctx context.Context) []corev1.LimitRange {
	c.ranged.Do(func() {
		live, err := c.Client.CoreV1().LimitRanges(c.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			c.unread("LimitRanges of namespace "+c.Namespace, err)
			live = &corev1.LimitRangeList{}
		}
		next := manifested[corev1.LimitRange](c, "LimitRange")
		stays := slices.DeleteFunc(live.Items, func(r corev1.LimitRange) bool {
			return slices.ContainsFunc(next, func(n corev1.LimitRange) bool { return n.Name == r.Name })
		})
		c.ranges = append(stays, next...)
	})
	return c.ranges
}

// limits checks whether LimitRanges admit the pods of the chart: the API server asks them
// only when a controller makes one, and takes the workload itself as it is.
func (c *check) limits(ctx context.Context) {
	ranges := c.limitRanges(ctx)
	given := defaults(ranges)
	for _, t := range c.templates() {
		if t.object.GetNamespace() != c.Namespace {
			continue
		}
		for _, r := range ranges {
			if against := contradicts(r, t.pod.Spec, given); len(against) > 0 {
				c.add(record.Concern{Code: "preflight/limit-range", Object: t.object.name(), Blocks: !t.later,
					Message: fmt.Sprintf("LimitRange/%s admits none of its pods: %s", r.Name, strings.Join(against, "; ")),
					Advice:  "change the resources in the chart's values, or the LimitRange"})
			}
		}
	}
}

// contradicts is all that a LimitRange holds against a pod.
func contradicts(r corev1.LimitRange, pod corev1.PodSpec, given corev1.ResourceRequirements) (all []string) {
	for _, item := range r.Spec.Limits {
		switch item.Type {
		case corev1.LimitTypeContainer:
			for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
				of := func(name corev1.ResourceName, limit bool) (resource.Quantity, bool) {
					return amount(container.Resources, given, name, limit)
				}
				all = append(all, bounds("container "+container.Name, item, of)...)
			}
		case corev1.LimitTypePersistentVolumeClaim: // claims are objects of their own, which the dry run has tried
		case corev1.LimitTypePod:
			of := func(name corev1.ResourceName, limit bool) (resource.Quantity, bool) {
				if pod.Resources != nil {
					if q, found := amount(*pod.Resources, corev1.ResourceRequirements{}, name, limit); found {
						return q, true
					}
				}
				some := false
				sum, _ := ofContainers(pod, func(c corev1.Container) (resource.Quantity, bool) {
					q, found := amount(c.Resources, given, name, limit)
					some = some || found
					return q, found
				})
				return sum, some
			}
			all = append(all, bounds("a pod", item, of)...)
		}
	}
	return all
}

// amount is what a container requests, or at most gets, of a resource. The API server
// takes a limit for the request where there is none.
func amount(own, given corev1.ResourceRequirements, name corev1.ResourceName, limit bool) (resource.Quantity, bool) {
	order := []corev1.ResourceList{own.Limits, given.Limits}
	if !limit {
		order = []corev1.ResourceList{own.Requests, own.Limits, given.Requests}
	}
	for _, list := range order {
		if q, found := list[name]; found {
			return q, true
		}
	}
	return resource.Quantity{}, false
}

// bounds compares what a container or a pod wants with what one item of a LimitRange
// allows, as the API server's admission does.
func bounds(who string, item corev1.LimitRangeItem, of func(name corev1.ResourceName, limit bool) (resource.Quantity, bool)) (all []string) {
	for name, most := range item.Max {
		limit, limited := of(name, true)
		request, requested := of(name, false)
		switch {
		case !limited:
			all = append(all, fmt.Sprintf("%s has no %s limit, and one of at most %s is demanded", who, name, most.String()))
		case limit.Cmp(most) > 0:
			all = append(all, fmt.Sprintf("%s has the %s limit %s, above the most of %s", who, name, limit.String(), most.String()))
		case requested && request.Cmp(most) > 0:
			all = append(all, fmt.Sprintf("%s requests %s of %s, above the most of %s", who, request.String(), name, most.String()))
		}
	}
	for name, least := range item.Min {
		request, requested := of(name, false)
		limit, limited := of(name, true)
		switch {
		case !requested:
			all = append(all, fmt.Sprintf("%s requests no %s, and at least %s is demanded", who, name, least.String()))
		case request.Cmp(least) < 0:
			all = append(all, fmt.Sprintf("%s requests %s of %s, below the least of %s", who, request.String(), name, least.String()))
		case limited && limit.Cmp(least) < 0:
			all = append(all, fmt.Sprintf("%s has the %s limit %s, below the least of %s", who, name, limit.String(), least.String()))
		}
	}
	for name, most := range item.MaxLimitRequestRatio {
		request, requested := of(name, false)
		limit, limited := of(name, true)
		if requested && limited && request.AsApproximateFloat64() > 0 && limit.AsApproximateFloat64()/request.AsApproximateFloat64() > most.AsApproximateFloat64()*1.000001 {
			all = append(all, fmt.Sprintf("%s has the %s limit %s, more than %s times its request %s", who, name, limit.String(), most.String(), request.String()))
		}
	}
	slices.Sort(all)
	return all
}

// defaults are what LimitRanges give containers that name nothing. What a range of the
// chart leaves out is filled in as the API server fills it in.
func defaults(ranges []corev1.LimitRange) corev1.ResourceRequirements {
	given := corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
	for _, r := range ranges {
		for _, l := range r.Spec.Limits {
			if l.Type != corev1.LimitTypeContainer {
				continue
			}
			for _, from := range []struct{ to, of corev1.ResourceList }{
				{given.Limits, l.Max}, {given.Limits, l.Default},
				{given.Requests, l.Min}, {given.Requests, l.Max}, {given.Requests, l.Default}, {given.Requests, l.DefaultRequest},
			} {
				maps.Copy(from.to, from.of)
			}
		}
	}
	return given
}
