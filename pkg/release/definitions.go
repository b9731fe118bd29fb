package release

import (
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/chart"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// outdated are the definitions of a chart's folder crds that the cluster has in
// another form. Helm never updates them, and fields that the live one does not
// know are dropped without a word (https://github.com/kumahq/kuma/issues/6201).
func (t *planClient) outdated(c *chart.Chart) []record.Concern {
	var all []record.Concern
	for _, crd := range c.CRDObjects() {
		objects, _ := manifest.Objects(string(crd.File.Data)) // Helm will say it
		for _, object := range objects {
			info, err := t.place(object)
			if err != nil || object.GetKind() != "CustomResourceDefinition" {
				continue
			}
			found, err := live.Get(info) // who may not read it cannot tell
			if err != nil || manifest.SameSchemas(object, found) {
				continue
			}
			_, file, _ := strings.Cut(crd.Filename, "/")
			all = append(all, record.Concern{Code: "preflight/definition-differs", Object: live.Name(info),
				Message: fmt.Sprintf("the cluster has another form of it than %s of the chart, and Helm does not update it: fields that it does not know are dropped", file),
				Advice:  "look which is newer, and apply the chart's first if it is: kubectl apply --server-side -f " + file})
		}
	}
	return all
}
