package judge

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

func TestAJobsPodThatEndsIsNoBadSignInAHold(t *testing.T) {
	h := hold{judge: New(nil), failures: map[types.UID]int{"a": 0}}
	over := fixture.Pod("migrate-1", "x", false, fixture.Crashed(0, 0, "Completed"))
	over.UID = "a"
	v := Verdict{Statuses: []Status{{Batch: true, Members: []member{{Pod: over, Fresh: true}}}}}
	found, _ := h.Judged(cluster.Snapshot{}, v)
	require.Nil(t, found)
	v.Statuses[0].Batch = false
	found, _ = h.Judged(cluster.Snapshot{}, v)
	require.NotNil(t, found)
}
