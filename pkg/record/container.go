package record

import (
	"maps"
	"slices"
)

// Container is one container that an object makes pods with.
type Container struct{ Name, Image string }

// Containers finds the containers of an object in any kind that holds pods, at
// any depth: a Deployment, a CronJob, the custom resource of an operator. The
// object is as YAML gives it.
func Containers(object map[string]any) []Container {
	var all []Container
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if list, ok := object[key].([]any); ok && slices.Contains(containerLists, key) {
			for _, item := range list {
				fields, _ := item.(map[string]any)
				name, _ := fields["name"].(string)
				if image, _ := fields["image"].(string); image != "" {
					all = append(all, Container{name, image})
				}
			}
			continue
		}
		for _, inner := range mappings(object[key]) {
			all = append(all, Containers(inner)...)
		}
	}
	return all
}

var containerLists = []string{"containers", "initContainers", "ephemeralContainers"}

// mappings are the mappings that a value is or holds.
func mappings(value any) []map[string]any {
	switch v := value.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []any:
		var all []map[string]any
		for _, item := range v {
			all = append(all, mappings(item)...)
		}
		return all
	}
	return nil
}
