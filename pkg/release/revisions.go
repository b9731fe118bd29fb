package release

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
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
		if *objects, err = manifest.Objects(stored.Manifest); err != nil {
			return "", record.Unavailable("release/record", "reading the manifest of revision %d: it is no YAML of Kubernetes objects", revision)
		}
		secret = append(secret, manifest.SecretValues(stored.Manifest)...)
	}
	if from == to {
		return "", nil
	}
	var b strings.Builder
	label := func(name string, revision int) string { return fmt.Sprintf("%s (revision %d)", name, revision) }
	for _, pair := range objectdiff.Pairs(before, after) {
		name := pair.Name()
		b.WriteString(objectdiff.Unified(label(name, from), label(name, to), pair.Before, pair.After))
	}
	return manifest.Withhold(b.String(), secret), nil
}
