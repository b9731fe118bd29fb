package workspace

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
)

func TestTheYarnOfTheWorkspaceIsTheOneToRun(t *testing.T) {
	root, err := os.OpenRoot(treetest.Write(t, map[string]string{"yarn.lock": "", ".yarnrc.yml": "nodeLinker: node-modules\nyarnPath: \".yarn/releases/yarn-4.13.0.cjs\"\n"}))
	require.NoError(t, err)
	defer root.Close()
	require.Equal(t, []string{"node", ".yarn/releases/yarn-4.13.0.cjs"}, managerOf(root).command)
}
