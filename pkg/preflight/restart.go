package preflight

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// restarts looks for settings that change while the workload that reads them does
// not: its pods stay, and what is proven afterwards is the old pods.
func (c *check) restarts() {
	changed := map[string]record.ChangeAction{}
	for _, change := range c.plan.Changes {
		changed[change.Object] = change.Action
	}
	for _, t := range c.templates() {
		if _, found := changed[t.object.name()]; found || !t.lasts() {
			continue
		}
		for _, name := range t.settings() {
			if changed[name] != record.ActionUpdate {
				continue
			}
			c.add(record.Concern{Code: "preflight/no-restart", Object: t.object.name(),
				Message: fmt.Sprintf("%s, which its pods read, changes, and it does not: no pod starts anew, so that nothing is proven of the change", name),
				Advice:  "let its pod template have an annotation with a checksum of the rendered " + name + ", such as checksum/config"})
		}
	}
}

// lasts reports whether the workload has pods that go on running.
func (t template) lasts() bool {
	return !t.later && t.replicas > 0 && t.object.GetKind() != "Job"
}

// settings are the ConfigMaps and Secrets that the pods read, as KIND/NAME.
func (t template) settings() []string {
	var all []string
	add := func(kind, name, _ string, _ *bool) {
		if object := kind + "/" + name; (kind == "ConfigMap" || kind == "Secret") && !slices.Contains(all, object) {
			all = append(all, object)
		}
	}
	mentioned(t.pod.Spec, add)
	projected(t.pod.Spec, add)
	return all
}

// projected goes through what the volumes put together of several sources.
func projected(pod corev1.PodSpec, add func(kind, name, key string, optional *bool)) {
	for _, v := range pod.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			if source.ConfigMap != nil {
				add("ConfigMap", source.ConfigMap.Name, "", source.ConfigMap.Optional)
			}
			if source.Secret != nil {
				add("Secret", source.Secret.Name, "", source.Secret.Optional)
			}
		}
	}
}
