package release

import (
	"testing"

	"github.com/stretchr/testify/require"
	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func manifestOf(t *testing.T, manifest string) record.Applied {
	t.Helper()
	applied, err := (&Release{}).applied(&helmrelease.Release{Namespace: "portal", Info: &helmrelease.Info{}, Manifest: manifest})
	require.NoError(t, err)
	return applied
}

// Helm expands Lists of any kind when it applies them.
func TestRelease_AppliedKnowsWhatStandsInAList(t *testing.T) {
	applied := manifestOf(t, `apiVersion: v1
kind: List
items:
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: api}}
- {apiVersion: v1, kind: Pod, metadata: {name: one}}
- {apiVersion: v1, kind: Service, metadata: {name: api}, spec: {selector: {app: api}, ports: [{port: 81}]}}
---
apiVersion: apps/v1
kind: ReplicaSetList
items:
- {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: set}}
---
# nothing
`)
	require.Equal(t, []record.Workload{
		{Kind: "Deployment", Namespace: "portal", Name: "api"}, {Kind: "Pod", Namespace: "portal", Name: "one"}, {Kind: "ReplicaSet", Namespace: "portal", Name: "set"},
	}, applied.Workloads)
	require.Equal(t, []record.Service{{Namespace: "portal", Name: "api", Port: 81}}, applied.Services)
	require.Empty(t, applied.Unwatched)
}

func TestRelease_AppliedNamesWhatMakesPodsAndCannotBeWatched(t *testing.T) {
	const template = "{spec: {containers: [{name: a, image: x}]}}"
	for name, c := range map[string]struct{ manifest, want string }{
		"an Argo Rollout":             {"{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: web}, spec: {workloadRef: {name: x}}}", "Rollout.argoproj.io/web makes pods, and its rollout cannot be watched"},
		"a Knative Service":           {"{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: web}, spec: {template: " + template + "}}", "Service.serving.knative.dev/web makes pods, and its rollout cannot be watched"},
		"any kind with a template":    {"{apiVersion: example.com/v1, kind: Farm, metadata: {name: f}, spec: {template: " + template + "}}", "Farm.example.com/f makes pods, and its rollout cannot be watched"},
		"a template deep inside":      {"{apiVersion: jobset.x-k8s.io/v1, kind: JobSet, metadata: {name: f}, spec: {replicatedJobs: [{template: {spec: {template: " + template + "}}}]}}", "JobSet.jobset.x-k8s.io/f makes pods, and its rollout cannot be watched"},
		"a database of an operator":   {"{apiVersion: acid.zalan.do/v1, kind: postgresql, metadata: {name: db}, spec: {numberOfInstances: 2}}", "postgresql.acid.zalan.do/db makes pods, and its rollout cannot be watched"},
		"a kind of the same name":     {"{apiVersion: example.com/v1, kind: Deployment, metadata: {name: f}, spec: {template: " + template + "}}", "Deployment.example.com/f makes pods, and its rollout cannot be watched"},
		"a Job that need not end":     {"{apiVersion: batch/v1, kind: Job, metadata: {name: j, annotations: {stagecrew.dev/wait: \"false\"}}}", "Job/j is not waited for, as its annotation stagecrew.dev/wait says"},
		"a CronJob runs later":        {"{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}, spec: {jobTemplate: {spec: {template: " + template + "}}}}", ""},
		"a policy about pods":         {"{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: p}, spec: {rules: [{validate: {pattern: {spec: {template: " + template + "}}}}]}}", ""},
		"a template that nobody runs": {"{apiVersion: v1, kind: PodTemplate, metadata: {name: p}, template: " + template + "}", ""},
		"settings":                    {"{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {template: x}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			applied := manifestOf(t, c.manifest)
			require.Empty(t, applied.Workloads)
			if c.want == "" {
				require.Empty(t, applied.Unwatched)
				return
			}
			require.Equal(t, []string{c.want}, applied.Unwatched)
		})
	}
}

// helm/helm#10576: a Job that Kubernetes has removed is no Job that is missing.
func TestRelease_AppliedSaysWhichJobsKubernetesRemoves(t *testing.T) {
	applied := manifestOf(t, "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {ttlSecondsAfterFinished: 0}}")
	require.Equal(t, []record.Workload{{Kind: "Job", Namespace: "portal", Name: "j", Expires: true}}, applied.Workloads)
}
