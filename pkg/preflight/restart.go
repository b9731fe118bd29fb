package preflight

import (
	"fmt"
	"slices"

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
	return all
}
