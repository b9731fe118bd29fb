package forecast

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/workload"
)

// The pods of every kind that is watched are tried, but for a pod, which is tried as itself.
func TestPodOf_EachWatchedKindHasAPodOfItsController(t *testing.T) {
	for name, group := range record.WatchedKinds {
		t.Run(name, func(t *testing.T) {
			o := &unstructured.Unstructured{Object: map[string]any{}}
			o.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: name})
			o.SetName("web")
			kind, known := workload.Watched(record.Workload{Kind: name})
			require.True(t, known)
			require.NoError(t, unstructured.SetNestedSlice(o.Object, []any{map[string]any{"image": "a"}}, slices.Concat(kind.Template, []string{"spec", "containers"})...))
			pod, found := podOf(o)
			require.Equal(t, name != "Pod", found)
			require.Equal(t, found, MakesPods(o))
			if found {
				require.Equal(t, "web-", pod.GenerateName)
				require.Equal(t, kind.Owner.Kind, pod.OwnerReferences[0].Kind)
				require.Equal(t, "a", pod.Spec.Containers[0].Image)
			}
		})
	}
}
