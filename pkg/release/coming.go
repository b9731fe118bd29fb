package release

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	helmkube "helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Build reads a manifest. Objects of kinds that the chart brings itself cannot be
// tried before that; they count as created.
func (t *trial) Build(manifest io.Reader, validate bool) (helmkube.ResourceList, error) {
	text, err := io.ReadAll(manifest)
	if err != nil {
		return nil, err
	}
	infos, err := t.client.Build(bytes.NewReader(text), validate)
	if err == nil || len(t.coming) == 0 || missingKinds(err) == "" {
		return infos, err
	}
	var known []string
	var untried []pipeline.Change
	for _, document := range split(string(text)) {
		objects, docErr := documents(document)
		if docErr == nil && len(objects) == 1 && slices.Contains(t.coming, objects[0].GroupVersionKind().GroupKind()) {
			untried = append(untried, pipeline.Change{
				Object: objects[0].GetKind() + "/" + objects[0].GetName(), Action: "create", Diff: objectDiff("live", "planned", nil, objects[0]),
			})
			continue
		}
		known = append(known, document)
	}
	infos, err = t.client.Build(strings.NewReader(strings.Join(known, "\n---\n")), validate)
	if err == nil {
		t.untried = untried
	}
	return infos, err
}

// kindsOf are the kinds that the definitions in a chart's folder crds bring.
func kindsOf(definitions []chart.CRD) []schema.GroupKind {
	var kinds []schema.GroupKind
	for _, definition := range definitions {
		objects, _ := documents(string(definition.File.Data)) //nolint:errcheck // Helm will say it
		for _, object := range objects {
			group, _, _ := unstructured.NestedString(object.Object, "spec", "group")        //nolint:errcheck // "" is no kind
			kind, _, _ := unstructured.NestedString(object.Object, "spec", "names", "kind") //nolint:errcheck // "" is no kind
			kinds = append(kinds, schema.GroupKind{Group: group, Kind: kind})
		}
	}
	return kinds
}
