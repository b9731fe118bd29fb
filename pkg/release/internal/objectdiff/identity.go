package objectdiff

import (
	"encoding/json"
	"slices"
)

// identities are the fields by which the API's lists tell their items apart.
var identities = [][]string{
	{"name"}, {"containerPort", "protocol"}, {"port", "protocol"}, {"mountPath"}, {"devicePath"}, {"ip"},
	{"topologyKey", "whenUnsatisfiable"}, {"type"},
}

// items gives both lists when all their items are mappings with an identity.
func items(would, live any) (w, l []map[string]any, identity []string, ok bool) {
	for _, identity := range identities {
		w, ok := identified(would, identity)
		if !ok {
			continue
		}
		if l, ok := identified(live, identity); ok {
			return w, l, identity, true
		}
	}
	return nil, nil, nil, false
}

// sameLength gives both lists when their items can be compared one by one:
// mappings without an identity, whose order the API server keeps.
func sameLength(would, live any) (w, l []any, ok bool) {
	w, isList := would.([]any)
	l, _ = live.([]any)
	if !isList || len(w) != len(l) {
		return nil, nil, false
	}
	for _, item := range append(slices.Clone(w), l...) {
		if _, isMapping := item.(map[string]any); !isMapping {
			return nil, nil, false
		}
	}
	return w, l, true
}

func identified(list any, identity []string) ([]map[string]any, bool) {
	values, ok := list.([]any)
	if !ok || len(values) == 0 {
		return nil, false
	}
	seen := map[string]bool{}
	result := make([]map[string]any, len(values))
	for i, v := range values {
		item, ok := v.(map[string]any)
		if !ok || item[identity[0]] == nil || seen[identify(item, identity)] {
			return nil, false
		}
		seen[identify(item, identity)], result[i] = true, item
	}
	return result, true
}

// identify is the value of the identity's fields. The protocol's default is TCP.
func identify(item map[string]any, identity []string) string {
	id := ""
	for _, field := range identity {
		value := item[field]
		if field == "protocol" && value == nil {
			value = "TCP"
		}
		if s, ok := value.(string); ok {
			id += s + "/"
			continue
		}
		number, err := json.Marshal(value)
		if err != nil {
			return ""
		}
		id += string(number) + "/"
	}
	return id
}
