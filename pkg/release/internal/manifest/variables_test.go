package manifest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVariablesAreForTheContainersOfTheImage(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	text := `---
# Source: portal/templates/configmap.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: a} # as it was
---
# Source: portal/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: portal}
spec:
  template:
    spec:
      containers:
      - {name: backstage, image: "r.test/portal@` + digest + `", env: [{name: A, value: one}, {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}]}
      - {name: proxy, image: r.test/proxy:1}
`
	changed, count, err := WithVariables(text, "r.test/portal", digest, map[string]string{"B": "two", "C": "true"})
	require.NoError(t, err)
	require.Equal(t, 1, count)
	require.Contains(t, changed, "metadata: {name: a} # as it was")
	require.Contains(t, changed, "# Source: portal/templates/deployment.yaml\n")
	objects, err := Objects(changed)
	require.NoError(t, err)
	require.Len(t, objects, 2)
	containers := podTemplate(objects[1])["spec"].(map[string]any)["containers"].([]any)
	require.Equal(t, []any{map[string]any{"name": "A", "value": "one"}, map[string]any{"name": "B", "value": "two"}, map[string]any{"name": "C", "value": "true"}}, containers[0].(map[string]any)["env"])
	require.NotContains(t, containers[1], "env")

	same, count, err := WithVariables(text, "r.test/other", digest, map[string]string{"B": "two"})
	require.NoError(t, err)
	require.Zero(t, count)
	require.Equal(t, text, same)
}

func TestWithVariables_AreForEveryObjectThatMakesPods(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	template := `{spec: {containers: [{name: backstage, image: "r.test/portal@` + digest + `"}]}}`
	for name, document := range map[string]string{
		"a ReplicationController": "{apiVersion: v1, kind: ReplicationController, metadata: {name: a}, spec: {template: " + template + "}}",
		"a CronJob":               "{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {jobTemplate: {spec: {template: " + template + "}}}}",
		"a Rollout of Argo's":     "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: a}, spec: {template: " + template + "}}",
	} {
		t.Run(name, func(t *testing.T) {
			changed, count, err := WithVariables(document, "r.test/portal", digest, map[string]string{"A": "one"})
			require.NoError(t, err)
			require.Equal(t, 1, count)
			require.Contains(t, changed, "value: one")
		})
	}
}
