package release

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	helmkube "helm.sh/helm/v3/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
)

// Build reads a manifest. Objects of kinds that the chart brings itself cannot be
// tried before that; they count as created.
func (t *planClient) Build(stream io.Reader, validate bool) (helmkube.ResourceList, error) {
	text, err := io.ReadAll(stream)
	if err != nil {
		return nil, err
	}
	infos, err := t.client.Build(bytes.NewReader(text), validate)
	if validate {
		t.manifest, t.built = string(text), infos
	} else {
		t.current = infos
	}
	// What is validated is the chart's; the rest are records of Helm's.
	if err == nil || !validate || missingKinds(err) == "" {
		return infos, err
	}
	if err := t.unknownKinds(string(text), err); err != nil {
		return nil, err
	}
	return t.buildKnown(string(text))
}

// buildKnown leaves out what is of kinds that the chart brings.
func (t *planClient) buildKnown(text string) (helmkube.ResourceList, error) {
	var known []string
	var untried []record.Change
	for _, document := range manifest.Split(text) {
		objects, err := manifest.Objects(document)
		if err == nil && len(objects) == 1 && t.isProvided(objects[0].GroupVersionKind()) {
			untried = append(untried, record.Change{
				Object: objects[0].GetKind() + "/" + objects[0].GetName(), Action: record.ActionCreate, Diff: objectdiff.Unified("live", "planned", nil, objects[0]),
			})
			continue
		}
		known = append(known, document)
	}
	infos, err := t.client.Build(strings.NewReader(strings.Join(known, "\n---\n")), true)
	if err == nil {
		t.untried, t.built = untried, infos
	}
	return infos, err
}

// isProvided reports whether the chart's folder crds will bring the kind: Helm
// makes what is there with the first install only, and never changes what exists.
func (t *planClient) isProvided(kind schema.GroupVersionKind) bool {
	return t.first && slices.ContainsFunc(t.crds, func(d manifest.CRD) bool {
		return d.Serves(kind) && !slices.Contains(t.existing, d.Name)
	})
}

// unknownKinds says why the cluster will not have the kinds of some objects when they
// are applied; nil when it will.
func (t *planClient) unknownKinds(text string, err error) error {
	var problems []string
	templates := manifest.CRDs(text)
	for _, kind := range apierror.MissingKinds(err) {
		if t.isProvided(kind) {
			continue
		}
		problems = append(problems, fmt.Sprintf("the cluster has no kind %s in %s; %s", kind.Kind, kind.GroupVersion(), t.adviceFor(kind, templates)))
	}
	if len(problems) == 0 {
		return nil
	}
	return record.Refused("release/no-such-kind", "%s", strings.Join(problems, "\n"))
}

// adviceFor is what to do about a kind that the cluster does not have.
func (t *planClient) adviceFor(kind schema.GroupVersionKind, templates []manifest.CRD) string {
	same := func(d manifest.CRD) bool { return d.Kind == kind.GroupKind() }
	if i := slices.IndexFunc(templates, same); i >= 0 {
		return fmt.Sprintf("its CustomResourceDefinition/%s is in this very chart, in %s, and Helm asks for the kinds of all objects before it makes the first: move it to the chart's folder crds, or into a release of its own that is deployed before",
			templates[i].Name, templates[i].File)
	}
	i := slices.IndexFunc(t.crds, same)
	switch {
	case i < 0:
		return t.newer(kind)
	case !t.crds[i].Serves(kind):
		return fmt.Sprintf("%s of the chart does not serve this version either", t.crds[i].File)
	}
	return fmt.Sprintf("the chart has it in %s, but Helm makes what is in crds with the first install only and never updates it: apply it first (kubectl apply --server-side -f %s)",
		t.crds[i].File, t.crds[i].File)
}

// newer says in which version the cluster has a kind that Kubernetes itself brings, such as a
// PodDisruptionBudget of policy/v1beta1 (https://github.com/helm/helm/issues/7219).
func (t *planClient) newer(kind schema.GroupVersionKind) string {
	if !isBuiltIn(kind.Group) {
		return "install the CustomResourceDefinition first, or leave the object out"
	}
	lists, _ := t.typed.Discovery().ServerPreferredResources() // what an aggregated API does not tell is left out
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil || !isBuiltIn(group.Group) {
			continue
		}
		if slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Kind == kind.Kind }) {
			return fmt.Sprintf("it has it as %s: let the chart use that apiVersion", group)
		}
	}
	return "this version of Kubernetes serves it no more, or not yet: leave the object out, or use what has taken its place"
}

// isBuiltIn reports whether a group is one of Kubernetes' own.
func isBuiltIn(group string) bool { return scheme.Scheme.IsGroupRegistered(group) }

// folderCRDs are the definitions in a chart's folder crds, and in those of its
// dependencies.
func folderCRDs(c *chart.Chart) []manifest.CRD {
	var all []manifest.CRD
	for _, crd := range c.CRDObjects() {
		for _, d := range manifest.CRDs(string(crd.File.Data)) {
			_, d.File, _ = strings.Cut(crd.Filename, "/")
			all = append(all, d)
		}
	}
	return all
}

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
