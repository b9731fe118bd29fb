package release

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Diff compares the manifests of two revisions, object by object, as a unified
// diff; "" when they are equal. From 0 means from nothing. The data of Secrets is
// withheld, wherever it appears.
func (r *Release) Diff(ctx context.Context, from, to int) (string, error) {
	var before, after []*unstructured.Unstructured
	var secret []string
	for revision, objects := range map[int]*[]*unstructured.Unstructured{from: &before, to: &after} {
		if revision == 0 {
			continue
		}
		stored, err := r.record(ctx, revision)
		if err != nil {
			return "", err
		}
		if *objects, err = documents(stored.Manifest); err != nil {
			return "", record.Unavailable("release/record", "reading the manifest of revision %d: it is no YAML of Kubernetes objects", revision)
		}
		secret = append(secret, secretValues(stored.Manifest)...)
	}
	if from == to {
		return "", nil
	}
	var b strings.Builder
	label := func(name string, revision int) string { return fmt.Sprintf("%s (revision %d)", name, revision) }
	for _, pair := range pairs(before, after) {
		name := pair.name()
		b.WriteString(objectDiff(label(name, from), label(name, to), pair.before, pair.after))
	}
	return withhold(b.String(), secret), nil
}

// pair is one object in two manifests, nil where it is missing.
type pair struct{ before, after *unstructured.Unstructured }

func (p pair) name() string {
	if p.after != nil {
		return p.after.GetKind() + "/" + p.after.GetName()
	}
	return p.before.GetKind() + "/" + p.before.GetName()
}

// pairs matches objects in the order of the later manifest; what it lacks comes last.
func pairs(before, after []*unstructured.Unstructured) []pair {
	same := func(a, b *unstructured.Unstructured) bool {
		return a.GroupVersionKind().GroupKind() == b.GroupVersionKind().GroupKind() &&
			a.GetNamespace() == b.GetNamespace() && a.GetName() == b.GetName()
	}
	var result []pair
	for _, a := range after {
		p := pair{after: a}
		if i := slices.IndexFunc(before, func(b *unstructured.Unstructured) bool { return same(a, b) }); i >= 0 {
			p.before = before[i]
		}
		result = append(result, p)
	}
	for _, b := range before {
		if !slices.ContainsFunc(after, func(a *unstructured.Unstructured) bool { return same(a, b) }) {
			result = append(result, pair{before: b})
		}
	}
	return result
}

// objectDiff compares two states of one object, nil for none; "" when what may
// be shown is equal.
func objectDiff(from, to string, before, after *unstructured.Unstructured) string {
	b, a := withheld(before, after)
	return unified(from, to, asYAML(b), asYAML(a))
}

func asYAML(object map[string]any) string {
	if object == nil {
		return ""
	}
	out, err := yaml.Marshal(object)
	if err != nil {
		return ""
	}
	return string(out)
}
