package build

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/validate"
)

func TestABuiltImageIsValid(t *testing.T) {
	host := registrytest.Serve(t, nil)
	o := options(writeTree(t, portal()), host, registrytest.PushPlatforms(t, host, "amd64", "arm64"))
	o.Platform = "linux/arm64,linux/amd64"
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	checks, err := validate.Image(t.Context(), hasty, result.Image)
	require.NoError(t, err)
	require.Len(t, checks, 20)
	require.Equal(t, "linux/amd64", checks[0].Target)
	for _, c := range checks {
		require.Equal(t, record.CheckPassed, c.Result, "%+v", c)
	}
}
