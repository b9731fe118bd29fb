package redact

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Values gives the texts and numbers under secret-like names in a document of maps
// and lists, such as the values of a chart, also of pairs {name: N, value: V}; the
// passwords in its connection URLs; and what is secret in texts that are documents.
func Values(document any) []string {
	var w walker
	w.walk(false, document)
	return w.found
}

type walker struct{ found []string }

// walk adds what is secret in a node; secret says that it is within something that
// is.
func (w *walker) walk(secret bool, node any) {
	switch node := node.(type) {
	case map[string]any:
		label, pair := pairOf(node)
		for key, child := range node {
			inner := secret
			switch {
			case pair != "" && key == label, isKeyName(node, key):
				continue
			case pair != "" && key == "value":
				key = pair
			}
			if child, ok := child.(string); ok && IsOpen(key, child) || NameIsOpen(key) && !ok || notSecret.MatchString(key) {
				inner = false
			}
			w.walk(NameIsSecret(key) || inner, child)
		}
	case []any:
		for _, child := range node {
			w.walk(secret, child)
		}
	case string:
		w.text(secret, node)
	case int, int64, uint64, float64, json.Number:
		if secret {
			w.found = append(w.found, written(node))
		}
	}
}

// isKeyName reports whether a field of Kubernetes names a key and holds none: of a
// label (topologyKey, an affinity's term), of a taint, or of an entry of a ConfigMap or
// Secret that a variable is taken from.
func isKeyName(node map[string]any, field string) bool {
	switch field {
	case "topologyKey", "secretKeyRef", "configMapKeyRef":
		return true
	case "key":
		_, operator := node["operator"].(string)
		_, effect := node["effect"].(string)
		return operator || effect
	}
	return false
}

// pairOf reads the name in a pair as {name: SMTP_PASSWORD, value: X}, and which key
// has it.
func pairOf(node map[string]any) (label, name string) {
	if _, found := node["value"]; !found {
		return "", ""
	}
	for _, label := range []string{"name", "key"} {
		if name, ok := node[label].(string); ok {
			return label, name
		}
	}
	return "", ""
}

func (w *walker) text(secret bool, text string) {
	if secret {
		w.found = append(w.found, text)
		return
	}
	c := collector{seen: map[string]bool{}}
	c.urls(text)
	switch {
	case isOpaque(text) && !isPlace(text), strings.Contains(text, "PRIVATE KEY-----"):
		c.value(text)
	case strings.Contains(text, "\n"):
		c.settings(text)
	}
	w.found = append(w.found, c.found...)
}

// written is a number as a person writes it.
func written(n any) string {
	if f, ok := n.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(n)
}

// settings adds what stands under secret-like names in the lines of a text that is
// no secret as such.
func (c *collector) settings(text string) {
	for line := range strings.Lines(text) {
		m := setting.FindStringSubmatch(strings.TrimSpace(line))
		if m != nil && NameIsSecret(m[1]) {
			c.add(strings.Trim(m[2], `"'`))
		}
	}
	c.assignments(text)
}
