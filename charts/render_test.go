// Package charts_test renders the charts as Helm does and compares the result
// with what the target system wants.
package charts_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	"sigs.k8s.io/yaml"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// object is one rendered Kubernetes object.
type object map[string]any

// document is a rendered object and its text.
type document struct {
	object object
	text   string
}

// needed holds the values without which the chart does not render.
const needed = `
image: {digest: "` + digest + `"}
secrets: {postgresPassword: correct-horse}
`

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load("backstage")
	require.NoError(t, err)
	return c
}

// render gives the objects as release "portal" in namespace "backstage", by "Kind/name".
// The texts in overrides are YAML; the later ones win.
func render(t *testing.T, overrides ...string) (map[string]document, error) {
	t.Helper()
	return renderOver(t, 1, nil, overrides...)
}

// renderOver renders a revision of the release over what the cluster holds.
func renderOver(t *testing.T, revision int, live cluster, overrides ...string) (map[string]document, error) {
	t.Helper()
	values := map[string]any{}
	for _, text := range overrides {
		var next map[string]any
		require.NoError(t, yaml.UnmarshalStrict([]byte(text), &next))
		values = chartutil.MergeTables(next, values)
	}
	c := load(t)
	options := chartutil.ReleaseOptions{Name: "portal", Namespace: "backstage", Revision: revision, IsInstall: revision == 1, IsUpgrade: revision > 1}
	all, err := chartutil.ToRenderValues(c, values, options, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.RenderWithClientProvider(c, all, live)
	if err != nil {
		return nil, err
	}
	documents := map[string]document{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for text := range strings.SplitSeq(files[name], "\n---\n") {
			if strings.TrimSpace(text) == "" {
				continue
			}
			var o object
			require.NoError(t, yaml.UnmarshalStrict([]byte(text), &o), "%s:\n%s", name, text)
			metadata, _ := o["metadata"].(map[string]any)
			key := fmt.Sprintf("%s/%s", o["kind"], metadata["name"])
			require.NotContains(t, documents, key)
			documents[key] = document{o, text}
		}
	}
	return documents, nil
}

// cluster is what templates find with lookup.
type cluster []*unstructured.Unstructured

func (c cluster) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	var objects []runtime.Object
	for _, o := range c {
		objects = append(objects, o)
	}
	client := fake.NewSimpleDynamicClient(runtime.NewScheme(), objects...)
	resource, _ := meta.UnsafeGuessKindToResource(schema.FromAPIVersionAndKind(apiVersion, kind))
	return client.Resource(resource), true, nil
}

func mustRender(t *testing.T, overrides ...string) map[string]document {
	t.Helper()
	documents, err := render(t, append([]string{needed}, overrides...)...)
	require.NoError(t, err)
	return documents
}

// at follows a path such as "spec.ports[0].port"; list elements can also be
// chosen by name, "containers[backstage]". Dots in keys are written "~".
func at(t *testing.T, o object, path string) any {
	t.Helper()
	var value any = map[string]any(o)
	for _, step := range strings.Split(path, ".") {
		key, index, indexed := strings.Cut(strings.TrimSuffix(step, "]"), "[")
		mapping, ok := value.(map[string]any)
		require.True(t, ok, "%s: %q is asked of %v", path, key, value)
		value = mapping[strings.ReplaceAll(key, "~", ".")]
		if indexed {
			value = element(t, path, value, index)
		}
	}
	return value
}

func element(t *testing.T, path string, list any, index string) any {
	t.Helper()
	items, ok := list.([]any)
	require.True(t, ok, "%s: no list at [%s]: %v", path, index, list)
	for i, item := range items {
		named, _ := item.(map[string]any)
		if fmt.Sprint(i) == index || named["name"] == index {
			return item
		}
	}
	require.Fail(t, "nothing at "+path)
	return nil
}
