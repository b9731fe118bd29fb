package objectdiff

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/workload"
)

// A container that somebody added is a difference in every kind whose pods can change.
func TestExclusivePaths_EachWatchedKindThatChangesHasThoseOfItsPods(t *testing.T) {
	for name, group := range record.WatchedKinds {
		t.Run(name, func(t *testing.T) {
			kind, known := workload.Watched(record.Workload{Kind: name})
			require.True(t, known)
			exclusive := ExclusivePaths(strings.TrimPrefix(group+"/v1", "/"), name)
			require.Equal(t, kind.Changes, exclusive != nil)
			if kind.Changes {
				require.True(t, exclusive("spec.template.spec.containers[name=a]"))
				require.False(t, exclusive("spec.template.spec.containers[name=a].resources.limits"))
				require.False(t, exclusive("spec.replicas"))
			}
		})
	}
	require.True(t, ExclusivePaths("batch/v1", "CronJob")("spec.jobTemplate.spec.template.spec.containers[name=a]"))
	require.Nil(t, ExclusivePaths("argoproj.io/v1alpha1", "Deployment"))
}
