package preflight

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// The live object still has the key when preflight looks, and loses it with the release:
// https://github.com/aws/aws-application-networking-k8s/issues/575,
// https://github.com/jfrog/charts/issues/1819.
func TestCheck_AKeyThatTheDeployItselfTakesOut(t *testing.T) {
	names := strings.Replace(deployment, "        resources:", "        env: [{name: A, valueFrom: {configMapKeyRef: {name: cm, key: a.b}}}]\n        resources:", 1) +
		"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {other: x}\n"
	live := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "cm", Namespace: "prod"}, Data: map[string]string{"a.b": "1", "other": "x"}}
	for name, c := range map[string]struct {
		diff string
		want int
	}{
		"it goes":                      {"   kind: ConfigMap\n data:\n-  a.b: \"1\"\n   other: x\n", 1},
		"it changes":                   {" data:\n-  a.b: \"1\"\n+  a.b: \"2\"\n", 0},
		"another one goes":             {" data:\n-  axb: \"1\"\n", 0},
		"somebody else's, which stays": {" data:\n+  other: x\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			plan := record.Plan{Manifest: names, Changes: []record.Change{{Object: "ConfigMap/cm", Action: record.ActionUpdate, Diff: c.diff}}}
			found, err := Check(t.Context(), Options{Client: cluster(nil, live), Namespace: "prod", Release: "web"}, plan)
			require.NoError(t, err)
			found = slices.DeleteFunc(found, func(f record.Concern) bool { return f.Code != "preflight/reference" })
			require.Len(t, found, c.want)
			for _, f := range found {
				require.Contains(t, f.Message, `the key "a.b" of ConfigMap/cm, which this very deploy takes out of it; they will not start`)
			}
		})
	}
}
