package release

import (
	"context"
	"fmt"
	"slices"
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
)

// applied lists what in a revision's manifest is worth watching.
func (r *Release) applied(stored *helmrelease.Release) (record.Applied, error) {
	objects, err := manifest.Objects(stored.Manifest)
	if err != nil {
		return record.Applied{Revision: r.revision(stored)}, fmt.Errorf("reading the manifest of revision %d: %w", stored.Version, err)
	}
	result := manifest.Describe(objects, r.before(stored), stored.Namespace)
	result.Workloads = append(result.Workloads, manifest.Describe(staying(stored), nil, stored.Namespace).Workloads...)
	result.Revision = r.revision(stored)
	result.Later = manifest.Later(objects, hooksOf(stored), result.Revision.Image)
	return result, nil
}

// staying are the objects of the hooks that ran in the change of a record, as far as they have
// pods that go on running: Helm makes a Deployment as a hook and looks at it no more
// (https://github.com/helm/helm/issues/11512), so that it is part of what was rolled out.
func staying(stored *helmrelease.Release) []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for _, hook := range stored.Hooks {
		ran := hook.LastRun.Phase == helmrelease.HookPhaseSucceeded && !hook.LastRun.StartedAt.Before(stored.Info.LastDeployed)
		if !ran || slices.Contains(hook.DeletePolicies, helmrelease.HookSucceeded) {
			continue
		}
		objects, _ := manifest.Objects(hook.Manifest) // Helm has applied it
		for _, o := range objects {
			if o.GetKind() != "Job" && o.GetKind() != "Pod" {
				all = append(all, o)
			}
		}
	}
	return all
}

// before are the objects of the last revision before this one that Helm could apply.
func (r *Release) before(stored *helmrelease.Release) []*unstructured.Unstructured {
	if r.helm == nil {
		return nil
	}
	records, err := r.helm.config.Releases.History(r.Name)
	if err != nil {
		return nil // then the Services are judged by themselves
	}
	var last *helmrelease.Release
	for _, other := range records {
		done := other.Info.Status == helmrelease.StatusSuperseded || other.Info.Status == helmrelease.StatusDeployed
		if done && other.Version < stored.Version && (last == nil || other.Version > last.Version) {
			last = other
		}
	}
	if last == nil {
		return nil
	}
	objects, _ := manifest.Objects(last.Manifest) // Helm has applied it
	return objects
}

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
