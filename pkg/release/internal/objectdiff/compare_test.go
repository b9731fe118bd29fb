package objectdiff

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func TestWhatCountsAsADifference(t *testing.T) {
	cases := map[string]struct {
		manifest, would, live string
		writers               map[string]string // by manager
		paths                 []string
		want                  string // "" means the live object
	}{
		"equal": {manifest: "spec: {a: 1}", would: "spec: {a: 1}", live: "spec: {a: 1}"},
		"a named field has another value": {
			manifest: "spec: {a: 1}", would: "spec: {a: 1}", live: "spec: {a: 2}",
			paths: []string{"spec.a"}, want: "spec: {a: 1}",
		},
		"a named field is missing": {
			manifest: "spec: {a: 1}", would: "spec: {a: 1}", live: "spec: {b: 2}", paths: []string{"spec.a"}, want: "spec: {a: 1, b: 2}",
		},
		"a default that the manifest does not name": {manifest: "spec: {}", would: "spec: {a: 1}", live: "spec: {}"},
		"a field of a controller":                   {would: "spec: {}", live: "spec: {a: 1}", writers: map[string]string{"controller": `{"f:spec":{"f:a":{}}}`}},
		"a field that Helm left": {
			would: "spec: {}", live: "spec: {a: 1}", writers: map[string]string{"stagecrew": `{"f:spec":{"f:a":{}}}`},
			paths: []string{"spec.a"}, want: "spec: {}",
		},
		"a default that Helm had overwritten": {
			would: "spec: {a: 30}", live: "spec: {a: 1}", writers: map[string]string{"helm": `{"f:spec":{"f:a":{}}}`},
			paths: []string{"spec.a"}, want: "spec: {a: 30}",
		},
		"a mapping that Helm left with another's entry": {
			would: "spec: {}", live: "spec: {m: {ours: 1, theirs: 2}}",
			writers: map[string]string{"stagecrew": `{"f:spec":{"f:m":{".":{},"f:ours":{}}}}`, "controller": `{"f:spec":{"f:m":{"f:theirs":{}}}}`},
			paths:   []string{"spec.m.ours"}, want: "spec: {m: {theirs: 2}}",
		},
		"a mapping that Helm left whole": {
			would: "spec: {}", live: "spec: {m: {a: 1, b: {c: 2}}}", writers: map[string]string{"stagecrew": `{"f:spec":{"f:m":{}}}`},
			paths: []string{"spec.m"}, want: "spec: {}",
		},
		"a mapping of which only the place is Helm's": {
			would: "metadata: {}", live: "metadata: {annotations: {restarted: now}}",
			writers: map[string]string{"stagecrew": `{"f:metadata":{"f:annotations":{}}}`, "kubectl-rollout": `{"f:metadata":{"f:annotations":{"f:restarted":{}}}}`},
		},
		"an annotation of kubectl": {
			would: "metadata: {annotations: {a: b}}", manifest: "metadata: {annotations: {a: b}}", live: "metadata: {annotations: {a: b, c: d}}",
			writers: map[string]string{"kubectl-annotate": `{"f:metadata":{"f:annotations":{"f:c":{}}}}`},
		},
		"a field of kubectl": {
			would: "spec: {}", live: "spec: {a: 1}", writers: map[string]string{"kubectl-edit": `{"f:spec":{"f:a":{}}}`},
			paths: []string{"spec.a"}, want: "spec: {}",
		},
		"items of a list in another order": {
			manifest: "spec: {l: [{name: a, v: 1}, {name: b}]}", would: "spec: {l: [{name: a, v: 1}, {name: b}]}", live: "spec: {l: [{name: b}, {name: a, v: 1}]}",
			want: "spec: {l: [{name: a, v: 1}, {name: b}]}",
		},
		"items that Helm left, that a controller added, and that are missing": {
			manifest: "spec: {l: [{name: a, v: 1}, {name: b}]}", would: "spec: {l: [{name: a, v: 1}, {name: b}]}",
			live:    "spec: {l: [{name: a, v: 2}, {name: theirs}, {name: left}]}",
			writers: map[string]string{"stagecrew": `{"f:spec":{"f:l":{"k:{\"name\":\"left\"}":{".":{},"f:name":{}}}}}`},
			paths:   []string{"spec.l[a].v", "spec.l[b]", "spec.l[left]"}, want: "spec: {l: [{name: a, v: 1}, {name: b}, {name: theirs}]}",
		},
		"ports are told apart by number and protocol": {
			manifest: "spec: {ports: [{containerPort: 80}]}", would: "spec: {ports: [{containerPort: 80, protocol: TCP}]}",
			live:    "spec: {ports: [{containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP}]}",
			writers: map[string]string{"stagecrew": `{"f:spec":{"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"UDP\"}":{".":{}}}}}`},
			paths:   []string{"spec.ports[80/UDP]"}, want: "spec: {ports: [{containerPort: 80, protocol: TCP}]}",
		},
		"a plain list": {
			manifest: "spec: {args: [a]}", would: "spec: {args: [a]}", live: "spec: {args: [a, b]}", paths: []string{"spec.args"}, want: "spec: {args: [a]}",
		},
		"mappings in a list without identity": {
			manifest: "spec: {rules: [{verbs: [get]}, {verbs: [list]}]}", would: "spec: {rules: [{verbs: [get]}, {verbs: [list]}]}",
			live: "spec: {rules: [{verbs: [get]}, {verbs: ['*']}]}", paths: []string{"spec.rules[1].verbs"}, want: "spec: {rules: [{verbs: [get]}, {verbs: [list]}]}",
		},
		"replicas that the manifest does not name": {
			would: "spec: {replicas: 1}", live: "spec: {replicas: 5}", writers: map[string]string{"stagecrew": `{"f:spec":{"f:replicas":{}}}`},
		},
		"an injected CA bundle": {manifest: "webhooks: [{name: w, caBundle: ''}]", would: "webhooks: [{name: w, caBundle: ''}]", live: "webhooks: [{name: w, caBundle: x}]"},
		// What `kubectl rollout restart` of a DaemonSet leads to.
		"the API server's count of a DaemonSet's templates": {
			manifest: "spec: {}", would: "metadata: {annotations: {deprecated.daemonset.template.generation: '3'}}",
			live:    "metadata: {annotations: {deprecated.daemonset.template.generation: '2'}}",
			writers: map[string]string{"stagecrew": `{"f:metadata":{"f:annotations":{".":{},"f:deprecated.daemonset.template.generation":{}}}}`},
		},
		"the rules of an aggregated role": {
			manifest: "{aggregationRule: {clusterRoleSelectors: []}, rules: []}", would: "{aggregationRule: {clusterRoleSelectors: []}, rules: []}",
			live: "{aggregationRule: {clusterRoleSelectors: []}, rules: [{verbs: [get]}]}", writers: map[string]string{"stagecrew": `{"f:rules":{}}`},
		},
		"the rules of a role that somebody made an aggregated one": {
			manifest: "{rules: []}", would: "{rules: []}", live: "{aggregationRule: {a: b}, rules: [{verbs: [get]}]}",
			writers: map[string]string{"kubectl-edit": `{"f:aggregationRule":{}}`},
			paths:   []string{"aggregationRule", "rules"}, want: "{rules: []}",
		},
		"the status": {would: "status: {a: 1}", live: "status: {a: 2}"},
		"what the API server keeps": {
			would: "metadata: {resourceVersion: '1'}", live: "metadata: {resourceVersion: '2', finalizers: [x]}",
			writers: map[string]string{"stagecrew": `{"f:metadata":{"f:finalizers":{}}}`},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			object := func(text string) map[string]any {
				result := map[string]any{}
				require.NoError(t, yaml.Unmarshal([]byte(text), &result))
				return result
			}
			var entries []metav1.ManagedFieldsEntry
			for manager, fields := range c.writers {
				entries = append(entries, metav1.ManagedFieldsEntry{Manager: manager, FieldsV1: metav1.NewFieldsV1(fields)})
			}
			comparison := Comparison{}
			live := object(c.live)
			got := comparison.Compare(object(c.manifest), object(c.would), live, WritersOf(entries))
			require.Equal(t, c.paths, comparison.Paths)
			if c.want == "" {
				c.want = c.live
			}
			require.Equal(t, object(c.want), got)
			require.Equal(t, object(c.live), live, "the live object is not changed")
		})
	}
}

func TestTheScaleSubresourceIsNobodysField(t *testing.T) {
	entry := metav1.ManagedFieldsEntry{Manager: "kubectl", Subresource: "scale", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:replicas":{}}}`)}
	require.False(t, WritersOf([]metav1.ManagedFieldsEntry{entry}).Any())
}
