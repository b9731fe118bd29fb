package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Contradictions are what in a manifest the API server would take one object at a
// time and that yet cannot work. namespace is that of objects that name none.
func Contradictions(manifest, namespace string) []string {
	objects := withSources(manifest)
	return slices.Concat(glued(manifest), twice(objects, namespace), shared(objects))
}

// begins is where an object begins in a document.
var begins = regexp.MustCompile(`(?m)^(?:apiVersion|kind):`)

// glued finds documents that hold two objects, of which YAML keeps the last only: a
// template has trimmed away what stood around the line between them
// (https://github.com/helm/helm/issues/10149, https://github.com/temporalio/helm-charts/issues/187).
func glued(manifest string) []string {
	var problems []string
	for _, document := range Split(manifest) {
		if len(begins.FindAllString(document, -1)) < 4 || heads(document) < 2 {
			continue
		}
		problems = append(problems, Whose(document)+" stands in one document with an object before it, which would not be made: the line --- between them is not one of its own any more, as when {{- or -}} trims the line breaks around it")
	}
	return problems
}

// heads is how many objects begin in a document: how often its mapping has both an
// apiVersion and a kind.
func heads(document string) int {
	var root yamlv3.Node
	if yamlv3.Unmarshal([]byte(document), &root) != nil || len(root.Content) == 0 {
		return 0
	}
	found := map[string]int{}
	for i := 0; i < len(root.Content[0].Content); i += 2 {
		found[root.Content[0].Content[i].Value]++
	}
	return min(found["apiVersion"], found["kind"])
}

// sourcedObject is an object with the template that made it.
type sourcedObject struct {
	*unstructured.Unstructured
	source string
}

func (o sourcedObject) name() string { return o.GetKind() + "/" + o.GetName() }

var source = regexp.MustCompile(`(?m)^# Source: (.+)$`)

func withSources(manifest string) []sourcedObject {
	var all []sourcedObject
	for _, text := range Split(manifest) {
		from := sourceOf(text)
		objects, _ := Objects(text) // Helm will say it
		for _, object := range objects {
			all = append(all, sourcedObject{object, from})
		}
	}
	return all
}

// Whose names the object of one document as far as it can be read, and its template:
// "ConfigMap/web (chart/templates/web.yaml)".
func Whose(document string) string {
	h := headOf(document)
	if h.Kind == "" {
		return h.source
	}
	return fmt.Sprintf("%s (%s)", h.name(), h.source)
}

// head is what Helm reads of a document to sort it.
type head struct {
	Kind     string
	Metadata struct {
		Name        string
		Annotations map[string]string
	}
	source string // its template
}

func (h head) name() string { return h.Kind + "/" + h.Metadata.Name }

// headOf reads the head of a document; one that cannot be read has its source only.
func headOf(document string) head {
	var h head
	if yaml.Unmarshal([]byte(document), &h) != nil {
		h = head{}
	}
	h.source = sourceOf(document)
	return h
}

// sourceOf names the template of a document.
func sourceOf(document string) string {
	if parts := source.FindStringSubmatch(document); parts != nil {
		return parts[1]
	}
	return "the chart"
}

// Repeated are the keys that an object has twice, of which the last counts:
// `ConfigMap/web (chart/templates/web.yaml): line 4: key "data" already set in map`.
func Repeated(manifest string) []string {
	var all []string
	for _, document := range Split(manifest) {
		for _, line := range RepeatedKeys(document) {
			all = append(all, Whose(document)+": "+line)
		}
	}
	return all
}

// RepeatedKeys are the keys that a mapping of one document has twice, each with its line:
// `line 4: key "data" already set in map`.
func RepeatedKeys(document string) (all []string) {
	var object map[string]any
	err := yaml.UnmarshalStrict([]byte(document), &object)
	if err == nil {
		return nil
	}
	for line := range strings.Lines(err.Error()) {
		if strings.Contains(line, "already set in map") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

// Nameless are the objects without a name, hooks aside: "Job (chart/templates/job.yaml)
// has no metadata.name, only generateName".
func Nameless(manifest string) []string {
	var problems []string
	for _, o := range withSources(manifest) {
		if o.GetName() != "" || o.GetAnnotations()["helm.sh/hook"] != "" {
			continue
		}
		problems = append(problems, fmt.Sprintf("%s (%s) has no metadata.name%s", o.GetKind(), o.source, when(o.GetGenerateName() != "", ", only generateName")))
	}
	return problems
}

// twice finds objects that are there more than once. Helm's upgrade takes the
// last one, its install fails half-way (https://github.com/helm/helm/issues/2947).
func twice(objects []sourcedObject, namespace string) []string {
	first := map[string]sourcedObject{}
	var problems []string
	for _, o := range objects {
		at := o.GetNamespace()
		if at == "" {
			at = namespace
		}
		identity := o.GroupVersionKind().GroupKind().String() + "/" + at + "/" + o.GetName()
		if before, found := first[identity]; found {
			problems = append(problems, fmt.Sprintf("%s is in it twice, from %s and %s", o.name(), before.source, o.source))
			continue
		}
		first[identity] = o
	}
	return problems
}

// shared finds numbers and addresses that two Services claim: each for itself
// they could be had.
func shared(objects []sourcedObject) []string {
	taken := map[string]sourcedObject{}
	var problems []string
	for _, o := range objects {
		if o.GetAPIVersion() != "v1" || o.GetKind() != "Service" {
			continue
		}
		for _, claim := range claims(o.Object) {
			before, found := taken[claim]
			if found && before.Unstructured != o.Unstructured {
				problems = append(problems, fmt.Sprintf("%s (%s) and %s (%s) both want the %s", before.name(), before.source, o.name(), o.source, claim))
			}
			taken[claim] = o
		}
	}
	return problems
}

// claims are what only one Service of the cluster can have.
func claims(service map[string]any) []string {
	spec := MapOf(service["spec"])
	var all []string
	numbers := []any{spec["healthCheckNodePort"]}
	ports, _ := spec["ports"].([]any)
	for _, port := range ports {
		numbers = append(numbers, MapOf(port)["nodePort"])
	}
	for _, number := range numbers {
		if n := fmt.Sprint(number); number != nil && n != "0" {
			all = append(all, "nodePort "+n)
		}
	}
	if address, _ := spec["clusterIP"].(string); address != "" && address != corev1.ClusterIPNone {
		all = append(all, "clusterIP "+address)
	}
	return all
}
