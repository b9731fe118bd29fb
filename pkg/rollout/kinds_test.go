package rollout

import (
	"cmp"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
	"github.com/stagecrew/stagecrew/pkg/workload"
)

// A kind that is watched has its row in [judge.Kinds], can be read, and has its place in a
// snapshot.
func TestKinds_EachWatchedKindIsKnownWhereverAKindMatters(t *testing.T) {
	for name, group := range record.WatchedKinds {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, judge.Kinds, name)
			require.Contains(t, resources, name)
			made, err := scheme.Scheme.New(schema.GroupVersionKind{Group: group, Version: "v1", Kind: name})
			require.NoError(t, err)
			object := made.(metav1.Object)
			object.SetNamespace("portal")
			object.SetName("web")
			var s cluster.Snapshot
			s.Add(object)
			require.Same(t, object, judge.Kinds[name].Find(s, record.Workload{Kind: name, Namespace: "portal", Name: "web"}))
			require.Nil(t, judge.Kinds[name].Find(s, record.Workload{Kind: name, Namespace: "other", Name: "web"}))
			source, err := judge.SourceOf(object)
			require.NoError(t, err)
			require.False(t, source.Claims)
			kind, known := workload.Watched(record.Workload{Kind: name})
			require.True(t, known)
			require.Equal(t, cmp.Or(judge.Kinds[name].Between, name), cmp.Or(kind.Owner.Kind, name), "the owner of its pods is also read")
		})
	}
	require.Len(t, judge.Kinds, len(record.WatchedKinds))
}

func TestResources_EachIsReadByItsOwnClient(t *testing.T) {
	for name, r := range resources {
		_, err := r.get(t.Context(), fake.NewClientset(), "portal", "x")
		require.ErrorContains(t, err, `"x" not found`, name)
		require.NotNil(t, r.informer(fake.NewClientset(), "portal", where{}), name)
	}
}
