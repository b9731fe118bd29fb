package preflight

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/workload"
)

func TestTemplateOf_EachWatchedKindHasAPod(t *testing.T) {
	for name, group := range record.WatchedKinds {
		t.Run(name, func(t *testing.T) {
			o := object{&unstructured.Unstructured{Object: map[string]any{}}}
			o.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: name})
			kind, known := workload.Watched(record.Workload{Kind: name})
			require.True(t, known)
			require.NoError(t, unstructured.SetNestedSlice(o.Object, []any{map[string]any{"image": "a"}}, slices.Concat(kind.Template, []string{"spec", "containers"})...))
			found, ok := templateOf(o)
			require.True(t, ok)
			require.Len(t, found.pod.Spec.Containers, 1)
			require.Equal(t, []any{int64(1), false}, []any{found.replicas, found.later})
		})
	}
}
