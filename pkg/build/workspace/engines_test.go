package workspace

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
	"github.com/stagecrew/stagecrew/pkg/files"
)

// TestTheNodeOfAnImageIsOneThatTheWorkspaceAsksFor: backstage/backstage#19974,
// melgarafael/DeskcommCRM#103, gaia-react/gaia#1626, langgenius/dify#36723.
func TestTheNodeOfAnImageIsOneThatTheWorkspaceAsksFor(t *testing.T) {
	for _, c := range []struct {
		engines, node string
		fits          bool
	}{
		{`{"node":"20 || 22"}`, "22.11.0", true}, {`{"node":"22 || 24"}`, "20.19.2", false}, {`{"node":">=22.22.0"}`, "22.19.0", false}, {`{"node":"24.x"}`, "22.11.0", false},
		{`{"node":"^22.22.1"}`, "22.22.1", true}, {`{"node":">=18 <23"}`, "24.1.0", false}, {`{"node":">=18 <23"}`, "22.1.0", true}, {`{"node":"18 - 22"}`, "22.30.0", true}, {`{"node":"*"}`, "24.0.0", true},
		{`{"node":"lts/jod"}`, "20.0.0", true}, {`{"npm":">=10"}`, "20.0.0", true}, {`{"node":">=22"}`, "", true}, {`["node >= 22"]`, "20.0.0", true}, {`{"node":22}`, "20.0.0", true},
	} {
		for name, content := range map[string]map[string]string{
			"of the workspace": {"package.json": `{"engines":` + c.engines + `}`, "packages/backend/package.json": `{}`},
			"of the backend":   {"package.json": `{}`, "packages/backend/package.json": `{"engines":` + c.engines + `}`},
		} {
			root, err := files.OpenRoot(treetest.Write(t, content))
			require.NoError(t, err)
			w := Workspace{Root: root}
			require.Equal(t, c.fits, w.Unfit(c.node) == "", "%s, %s %s", c.node, c.engines, name)
			require.NoError(t, root.Close())
		}
	}
}
