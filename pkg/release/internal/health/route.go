package health

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// route goes by what each Gateway says of a route of the Gateway API that names it: one that
// does not take it, or does not find its Service, answers 404 or 500 in its place
// (https://github.com/nginx/nginx-gateway-fabric/issues/481, https://github.com/kumahq/kuma/issues/17988).
// Of a Gateway that is not there no controller says anything
// (https://github.com/higress-group/higress/issues/2282).
func (l looker) route(_ context.Context, object *unstructured.Unstructured) string {
	name := object.GetKind() + "/" + object.GetName()
	asked, _, _ := unstructured.NestedSlice(object.Object, "spec", "parentRefs")
	parents, _, _ := unstructured.NestedSlice(object.Object, "status", "parents")
	if age := l.now.Sub(object.GetCreationTimestamp().Time); len(asked) > 0 && len(parents) == 0 && age >= settling {
		return fmt.Sprintf("%s is there since %s, and no Gateway has said that it takes it", name, text.Duration(age.Round(time.Second)))
	}
	for _, parent := range parents {
		parent, ok := parent.(map[string]any)
		if !ok {
			continue
		}
		of, _, _ := unstructured.NestedString(parent, "parentRef", "name")
		conditions, _, _ := unstructured.NestedSlice(parent, "conditions")
		for _, c := range conditions {
			c, ok := c.(map[string]any)
			if !ok || c["status"] != "False" || c["type"] != "Accepted" && c["type"] != "ResolvedRefs" || isOlder(c, object) {
				continue
			}
			return fmt.Sprintf("%s: Gateway %s does not lead to it as it says (%s=False%s)", name, text.Line(of, maxWords), c["type"], explanation(c))
		}
	}
	return ""
}
