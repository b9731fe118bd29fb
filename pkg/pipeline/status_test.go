package pipeline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// The plan of a pull request, whose image is not built, takes the image that is live.
func TestStatus_NamesWhatIsLive(t *testing.T) {
	const image = "registry.test/web@sha256:"
	named := record.Release{Name: "web", Namespace: "prod"}
	var r record.Record
	serving(&r, named, []record.Revision{
		{Number: 3, Status: "failed", Image: image + strings.Repeat("c", 64)},
		{Number: 2, Status: record.StatusDeployed, Image: image + strings.Repeat("b", 64)},
	})
	require.Equal(t, image+strings.Repeat("b", 64), r.Image.String())
	require.Equal(t, 2, r.Release.Live)

	r = record.Record{}
	serving(&r, named, []record.Revision{{Number: 1, Status: record.StatusDeployed}})
	require.Empty(t, r.Image, "Helm's values hold no digest")
	require.Equal(t, 1, r.Release.Live)
}
