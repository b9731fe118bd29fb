package site

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// What the early preflight of a run has warned of is not told again, unless it blocks.
func TestNewConcerns(t *testing.T) {
	quota := record.Concern{Code: "preflight/quota", Message: "nearly used up"}
	late := record.Concern{Code: "preflight/image-not-pullable", Message: "not there"}
	blocks := record.Concern{Code: "preflight/forbidden", Blocks: true}
	require.Equal(t, []record.Concern{late, blocks}, newConcerns([]record.Concern{quota, late, blocks}, []record.Concern{quota, blocks}))
}
