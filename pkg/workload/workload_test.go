package workload

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// written is an object of a kind whose pods run the image a.
func written(t *testing.T, kind schema.GroupKind) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetGroupVersionKind(kind.WithVersion("v1"))
	container := map[string]any{"name": "web", "image": "a"}
	require.NoError(t, unstructured.SetNestedSlice(o.Object, []any{container}, append(append([]string{}, kinds[kind].Template...), "spec", "containers")...))
	require.NoError(t, unstructured.SetNestedField(o.Object, int64(2), "spec", "replicas"))
	return o
}

func TestOf_EachWatchedKindIsKnown(t *testing.T) {
	for name, group := range record.WatchedKinds {
		_, known := Of(schema.GroupKind{Group: group, Kind: name})
		require.True(t, known, name)
		_, known = Watched(record.Workload{Kind: name})
		require.True(t, known, name)
	}
	require.Len(t, kinds, len(record.WatchedKinds)+1, "and CronJob")
	_, known := Of(schema.GroupKind{Group: "argoproj.io", Kind: "Deployment"})
	require.False(t, known)
	_, known = Watched(record.Workload{Kind: "CronJob"})
	require.False(t, known)
}

// What is read by its path and what is read by its type are the same.
func TestKind_EachSaysWhereItsPodsAre(t *testing.T) {
	for gk, kind := range kinds {
		t.Run(gk.String(), func(t *testing.T) {
			o := written(t, gk)
			spec, _, err := unstructured.NestedSlice(kind.TemplateIn(o.Object), "spec", "containers")
			require.NoError(t, err)
			require.Len(t, spec, 1)

			typed, err := Read(o)
			require.NoError(t, err)
			pods, err := PodsOf(typed)
			require.NoError(t, err)
			require.Equal(t, []corev1.Container{{Name: "web", Image: "a"}}, pods.Template.Spec.Containers)
			require.Equal(t, kind.Replicas, pods.Replicas != nil)
			require.Equal(t, gk.Kind == "Pod", kind.Owner == (metav1.OwnerReference{}))
		})
	}
}

func TestRead_AnObjectThatMakesNoPodsIsAnError(t *testing.T) {
	_, err := Read(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}})
	require.ErrorContains(t, err, "ConfigMap is not known to make pods")
	_, err = Read(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": "none"}})
	require.Error(t, err)
	_, err = PodsOf(&corev1.ConfigMap{})
	require.ErrorContains(t, err, "ConfigMap is not known to make pods")
}

func TestKind_TemplateIn_AnObjectWithoutOneHasNone(t *testing.T) {
	require.Nil(t, kinds[schema.GroupKind{Group: "apps", Kind: "Deployment"}].TemplateIn(map[string]any{"spec": "none"}))
}
