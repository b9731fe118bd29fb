package manifest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestWhatGoesOneWayOnly(t *testing.T) {
	claim := func(size string) string {
		return "apiVersion: v1\nkind: PersistentVolumeClaim\nspec: {resources: {requests: {storage: " + size + "}}}"
	}
	const definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {versions: "
	for name, c := range map[string]struct{ before, after, want string }{
		// https://github.com/helm/helm/issues/11359
		"a claim grows":                 {claim("1Gi"), claim("2Gi"), "it grows from 1Gi to 2Gi, and a claim cannot shrink"},
		"a claim is written otherwise":  {claim("1Gi"), claim("1024Mi"), ""},
		"a definition stores otherwise": {definition + "[{name: v1, storage: true}]}", definition + "[{name: v1, storage: false}, {name: v2, storage: true}]}", "objects are stored as v2 from now on"},
		"a definition has one more":     {definition + "[{name: v1, storage: true}]}", definition + "[{name: v1, storage: true}, {name: v2, storage: false}]}", ""},
		"a ConfigMap becomes immutable": {"apiVersion: v1\nkind: ConfigMap", "apiVersion: v1\nkind: ConfigMap\nimmutable: true", "it becomes immutable"},
		"a Deployment":                  {"apiVersion: apps/v1\nkind: Deployment", "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 2}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			object := func(text string) *unstructured.Unstructured {
				content := map[string]any{}
				require.NoError(t, yaml.Unmarshal([]byte(text), &content))
				return &unstructured.Unstructured{Object: content}
			}
			got := Irreversible(object(c.before), object(c.after))
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Contains(t, got, c.want)
		})
	}
}
