package release

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// helm/helm#11512: Helm makes a Deployment as a hook, and neither waits for it nor looks at it again.
func TestWorkloadsThatAHookHasMadeAreWatched(t *testing.T) {
	db := func(event, policy string) string {
		return `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, annotations: {helm.sh/hook: "` + event + `", helm.sh/hook-delete-policy: ` + policy + `}}
spec: {selector: {matchLabels: {part: db}}, template: {metadata: {labels: {part: db}}, spec: {containers: [{name: db, image: postgres}]}}}
`
	}
	made := record.Workload{Kind: "Deployment", Namespace: "portal", Name: "db"}
	for name, c := range map[string]struct {
		hook string
		want bool
	}{
		"one that stays":                   {db("pre-install,pre-upgrade", "before-hook-creation"), true},
		"one that goes when it is there":   {db("pre-install", "hook-succeeded"), false},
		"one that this change did not run": {db("pre-upgrade", "before-hook-creation"), false},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := open(t)
			r.Chart = chartOf(t, web+c.hook)
			applied, err := r.Apply(t.Context(), image("one"))
			require.NoError(t, err)
			if c.want {
				require.Contains(t, applied.Workloads, made)
			} else {
				require.NotContains(t, applied.Workloads, made)
			}
		})
	}
}
