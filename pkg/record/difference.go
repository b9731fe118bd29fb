package record

import (
	"fmt"
	"strings"
)

// Difference is one field of a live object that is not what the manifest says.
type Difference struct {
	Field string `json:"field"` // "spec.template.spec.containers[app].image"
	// Live and Manifest are its values as JSON: `"web:1"`, "nothing" where there is
	// none, "{…}" and "[…]" for what is no single value; "" for what is not shown.
	Live     string `json:"live"`
	Manifest string `json:"manifest"`
	// Open says that the manifest leaves the field to others, so that no deploy and no
	// rollback changes it.
	Open bool `json:"open,omitempty"`
}

// String gives the difference for people: `spec.replicas is 0, the manifest says 2`.
func (d Difference) String() string {
	switch {
	case d.Open:
		return fmt.Sprintf("%s is %s, which neither the manifest nor an autoscaler says", d.Field, d.Live)
	case d.Live == "" || d.Live == d.Manifest:
		return d.Field
	}
	return fmt.Sprintf("%s is %s, the manifest says %s", d.Field, d.Live, d.Manifest)
}

// Differs says how a live object is not what the manifest says, for people and
// without its name; "" when nothing is known of its fields.
func (c Change) Differs() string {
	if len(c.Differences) == 0 {
		return c.Fields
	}
	all := make([]string, len(c.Differences))
	for i, d := range c.Differences {
		all[i] = d.String()
	}
	return strings.Join(all, "; ")
}

// IsOpen reports whether all that differs is left to others by the manifest.
func (c Change) IsOpen() bool {
	for _, d := range c.Differences {
		if !d.Open {
			return false
		}
	}
	return len(c.Differences) > 0
}

// Rescale is the command that gives a workload its pods back which are open, see
// [Change.IsOpen].
func (c Change) Rescale(namespace string) string {
	kind, name, _ := strings.Cut(c.Object, "/")
	return fmt.Sprintf("`kubectl scale %s/%s --namespace %s --replicas=%s`", strings.ToLower(kind), name, namespace, c.Differences[0].Manifest)
}
