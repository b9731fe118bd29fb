package preflight

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Pods read the environment once, when they start: a chart without a checksum
// annotation changes a setting that no pod has.
func TestCheck_ASettingThatNoPodReadsAnewIsNamed(t *testing.T) {
	made := "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: app}\n"
	container := func(more string) string {
		return strings.Replace(deployment, "        resources:", "        "+more+"\n        resources:", 1) + made
	}
	volume := func(more string) string { return deployment + "      volumes: [{name: v, " + more + "}]\n" + made }
	update := func(objects ...string) (all []record.Change) {
		for _, o := range objects {
			all = append(all, record.Change{Object: o, Action: "update"})
		}
		return all
	}
	env := container("envFrom: [{configMapRef: {name: app}}]")
	for name, c := range map[string]struct {
		manifest string
		changes  []record.Change
		want     string // the object that the message names; "" for no concern
	}{
		"envFrom":                   {env, update("ConfigMap/app"), "ConfigMap/app"},
		"envFrom, optional":         {container("envFrom: [{secretRef: {name: app, optional: true}}]"), update("Secret/app"), "Secret/app"},
		"one variable":              {container("env: [{name: A, valueFrom: {secretKeyRef: {name: app, key: a, optional: true}}}]"), update("Secret/app"), "Secret/app"},
		"a volume":                  {volume("configMap: {name: app}"), update("ConfigMap/app"), "ConfigMap/app"},
		"a projected volume":        {volume("projected: {sources: [{secret: {name: app}}]}"), update("Secret/app"), "Secret/app"},
		"the workload changes, too": {env, update("ConfigMap/app", "Deployment/web"), ""},
		"another kind of that name": {env, update("Secret/app"), ""},
		"it is made":                {env, []record.Change{{Object: "ConfigMap/app", Action: "create"}}, ""},
		"nothing runs":              {strings.Replace(env, "replicas: 2", "replicas: 0", 1), update("ConfigMap/app"), ""},
		"nothing changes":           {env, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Client: cluster(nil), Namespace: "prod", Release: "web"}
			all, err := Check(t.Context(), o, record.Plan{Manifest: c.manifest, Changes: c.changes})
			require.NoError(t, err)
			var found []record.Concern
			for _, concern := range all {
				if concern.Code == "preflight/no-restart" {
					found = append(found, concern)
				}
			}
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, "Deployment/web", found[0].Object)
			require.Contains(t, found[0].Message, c.want)
			require.Contains(t, found[0].Advice, "checksum")
			require.False(t, found[0].Blocks)
		})
	}
}
