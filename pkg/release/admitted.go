package release

import (
	"context"
	"fmt"
	"slices"
	"strings"

	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/forecast"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
)

// podsRefused tells of the workloads of a plan whose pods a policy would not let in. Those
// with an image that is not built yet are asked again with the image. It never blocks: a policy
// that goes by who makes a pod may think otherwise of a controller.
func (t *planClient) podsRefused(stored *helmrelease.Release) []record.Concern {
	wanted, err := t.client.Build(strings.NewReader(stored.Manifest), false)
	if err != nil {
		return nil
	}
	return concerns(t.client, wanted, func(_ *resource.Info, object *unstructured.Unstructured) record.Concern {
		if t.hasUnbuilt(object) {
			return record.Concern{}
		}
		words := forecast.PodRefusal(t.ctx, t.typed, object)
		if words == "" {
			return record.Concern{}
		}
		return record.Concern{Code: "preflight/pods-refused", Message: "a policy of the cluster would not let its pods in: " + words,
			Advice: "give the chart values that the policy allows, or change the policy"}
	})
}

// wayBack tells, before a deploy, of what is live and would not be let in again: a policy has
// changed since, or the key that it trusts (https://github.com/kyverno/kyverno/issues/5363). The pods run
// on, but a deploy that fails could not be put back.
func (r *Release) wayBack(ctx context.Context) (all []record.Concern) {
	stored, err := r.helm.config.Releases.Last(r.Name)
	if err != nil || stored.Info.Status != helmrelease.StatusDeployed || r.revision(stored).Verdict == record.MarkBad {
		return nil // no rollback goes to it
	}
	_, err = r.change(ctx, func() (record.Applied, error) {
		c := r.helm.client
		wanted, err := c.Build(strings.NewReader(stored.Manifest), false)
		if err != nil {
			return record.Applied{}, err
		}
		all = concerns(c, wanted, func(info *resource.Info, object *unstructured.Unstructured) record.Concern {
			words := c.refusal(ctx, info, object)
			if words == "" {
				return record.Concern{}
			}
			return record.Concern{Code: "release/way-back-refused",
				Message: fmt.Sprintf("a policy of the cluster would not let it in again as it is in revision %d, which is live, so that a deploy that fails could not be put back: %s", stored.Version, words),
				Advice:  "change that first: let the policy trust what is live, or sign its image with the key that the policy trusts now"}
		})
		return record.Applied{}, nil
	})
	if err != nil {
		return nil // other checks say so
	}
	return all
}

// refusal is what a policy says to an object of a record, and to its pods, "" for nothing.
func (c *client) refusal(ctx context.Context, info *resource.Info, object *unstructured.Unstructured) string {
	found, err := live.Get(info)
	if err != nil {
		return ""
	}
	next := object.DeepCopy()
	c.owner.Claim(next)
	next.SetResourceVersion(found.GetResourceVersion())
	if _, err := live.Helper(info).DryRun(true).Replace(info.Namespace, info.Name, false, next); err != nil && apierror.IsPolicy(err.Error()) {
		return apierror.Message(err)
	}
	object.SetUID(found.GetUID())
	return forecast.PodRefusal(ctx, c.typed, object)
}

// concerns are those of the workloads among some objects, each named after its object.
func concerns(c *client, wanted helmkube.ResourceList, look func(*resource.Info, *unstructured.Unstructured) record.Concern) []record.Concern {
	found := make([]record.Concern, len(wanted))
	_ = live.Each(c.ctx, wanted, func(i int, info *resource.Info) error {
		object, err := live.Content(info.Object)
		if err != nil || !forecast.MakesPods(object) {
			return err
		}
		object = object.DeepCopy()
		object.SetNamespace(info.Namespace)
		if found[i] = look(info, object); found[i].Code != "" {
			found[i].Object = live.Name(info)
		}
		return nil
	})
	return slices.DeleteFunc(found, func(f record.Concern) bool { return f.Code == "" })
}
