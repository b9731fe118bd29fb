package buildkit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsOfADockerfileAreNamed(t *testing.T) {
	require.Equal(t, []string{"A", "B", "TOKEN"}, secretVariables([]string{"id=a,env=A", "type=env,id=b,env=B", "id=TOKEN", "id=file,src=.npmrc"}))
}
