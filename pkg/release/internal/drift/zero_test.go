package drift

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestHasNumber_EachWatchedKindThatCanBeScaled(t *testing.T) {
	scaled := map[string]bool{"Deployment": true, "StatefulSet": true, "ReplicaSet": true, "ReplicationController": true}
	for name, group := range record.WatchedKinds {
		o := &unstructured.Unstructured{Object: map[string]any{}}
		o.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: name})
		require.Equal(t, scaled[name], hasNumber(o), name)
		o.SetAPIVersion("example.org/v1")
		require.False(t, hasNumber(o), name)
	}
}
