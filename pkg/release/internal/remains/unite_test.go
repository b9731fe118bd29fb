package remains

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// helm/helm#9051, helm/helm#8994, kubernetes/kubernetes#46861: the API server takes one kind of
// probe, and a value or a source of a variable.
func TestUnite_TakesAwayWhatSomebodyElsePutInThePlaceOfAValue(t *testing.T) {
	object := func(container string) *unstructured.Unstructured {
		o := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte("{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: web, "+container+"}]}}}}"), &o.Object))
		return o
	}
	const probe = "readinessProbe: {httpGet: {path: /, port: 80}}"
	for name, c := range map[string]struct{ base, wanted, found, patch string }{
		"a probe of another kind": {probe, probe, "readinessProbe: {exec: {command: [a]}, periodSeconds: 3}",
			`{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"web"}],"containers":[{"name":"web","readinessProbe":{"exec":null,"httpGet":{"path":"/","port":80}}}]}}}}`},
		"a hook of another kind": {"lifecycle: {preStop: {sleep: {seconds: 1}}}", "lifecycle: {preStop: {sleep: {seconds: 1}}}", "lifecycle: {preStop: {exec: {command: [a]}}}",
			`{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"web"}],"containers":[{"lifecycle":{"preStop":{"exec":null,"sleep":{"seconds":1}}},"name":"web"}]}}}}`},
		"a source in the place of a value": {"env: [{name: A, value: a}]", "env: [{name: A, value: a}]", "env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
			`{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"web"}],"containers":[{"$setElementOrder/env":[{"name":"A"}],"env":[{"name":"A","value":"a","valueFrom":null}],"name":"web"}]}}}}`},
		"a value in the place of a source": {"env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]", "env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]", "env: [{name: A, value: a}]",
			`{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"web"}],"containers":[{"$setElementOrder/env":[{"name":"A"}],"env":[{"name":"A","value":null,"valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],"name":"web"}]}}}}`},
		"a probe that the chart has since": {"image: a", "image: a, " + probe, "image: a, readinessProbe: {exec: {command: [a]}}",
			`{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"web"}],"containers":[{"name":"web","readinessProbe":{"exec":null,"httpGet":{"path":"/","port":80}}}]}}}}`},
		"a variable that the chart has since": {"image: a", "image: a, env: [{name: A, value: a}]", "image: a, env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
			`{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"web"}],"containers":[{"$setElementOrder/env":[{"name":"A"}],"env":[{"name":"A","value":"a","valueFrom":null}],"name":"web"}]}}}}`},
		"what a controller added":            {probe, probe, probe + ", env: [{name: B, value: b}]", "{}"},
		"a probe that the chart has no more": {"image: a", "image: a", "image: a, " + probe, "{}"},
		"another container's":                {probe, probe, probe, "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			base, wanted, found := object(c.base), object(c.wanted), object(c.found)
			Unite(base, wanted, found)
			patch, _, err := patchOf(base, wanted, found, &appsv1.Deployment{})
			require.NoError(t, err)
			require.JSONEq(t, c.patch, string(patch))
		})
	}
}

// A budget has one number of two.
func TestUnite_ABudgetHasOneOfTwoNumbers(t *testing.T) {
	budget := func(spec string) *unstructured.Unstructured {
		o := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte("{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web}, spec: {"+spec+"}}"), &o.Object))
		return o
	}
	base, wanted, found := budget("minAvailable: 1"), budget("minAvailable: 1"), budget("maxUnavailable: 1")
	Unite(base, wanted, found)
	patch, _, err := patchOf(base, wanted, found, &policyv1.PodDisruptionBudget{})
	require.NoError(t, err)
	require.JSONEq(t, `{"spec":{"maxUnavailable":null,"minAvailable":1}}`, string(patch))
}

func TestUnites_EachWatchedKindWhosePodsCanChange(t *testing.T) {
	for name, group := range record.WatchedKinds {
		kind := schema.GroupKind{Group: group, Kind: name}
		require.Equal(t, name != "Job" && name != "Pod", Unites(kind), name)
		object := func(handler string) *unstructured.Unstructured {
			o := &unstructured.Unstructured{}
			require.NoError(t, yaml.Unmarshal([]byte("{spec: {template: {spec: {containers: [{name: web, readinessProbe: {"+handler+": {}}}]}}}}"), &o.Object))
			o.SetGroupVersionKind(kind.WithVersion("v1"))
			return o
		}
		base := object("httpGet")
		Unite(base, object("httpGet"), object("exec"))
		require.Equal(t, Unites(kind), strings.Contains(fmt.Sprint(base.Object), "exec"), name)
	}
}
