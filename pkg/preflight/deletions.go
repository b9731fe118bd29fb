package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// allowsAll is the value that allows every deletion.
const allowsAll = "all"

// deletions tells what a deploy would take away. Data does not come back with a
// rollback, and the pods of a workload end before anything that takes its place
// is ready: both stop a deploy unless they are allowed.
func (c *check) deletions() {
	for _, d := range c.plan.Deletions {
		if d.Loss == "" {
			continue
		}
		concern := record.Concern{Code: "preflight/deletes", Object: d.Object(), Message: "it would be deleted, and with it " + d.Loss,
			Advice: fmt.Sprintf("keep it in the chart, annotate it helm.sh/resource-policy: keep, or allow it: --allow-delete %s", d.Object())}
		if d.Why != "" {
			concern.Message += ", because " + d.Why
			concern.Advice = fmt.Sprintf("undo that, or allow it: --allow-delete %s", d.Object())
		}
		if concern.Blocks = !c.mayDelete(d); !concern.Blocks {
			concern.Advice = ""
		}
		c.add(concern)
	}
}

// mayDelete reports whether a deletion is allowed; what a rollback removes came
// with the revision that is left.
func (c *check) mayDelete(d record.Deletion) bool {
	return c.plan.Image == (record.Image{}) || slices.ContainsFunc(c.AllowDelete, func(allowed string) bool {
		return strings.EqualFold(allowed, d.Object()) || strings.EqualFold(allowed, allowsAll)
	})
}

// oneWay tells of changes that a rollback cannot undo.
func (c *check) oneWay() {
	for _, change := range c.plan.Changes {
		if change.OneWay != "" {
			c.add(record.Concern{Code: "preflight/one-way", Object: change.Object, Message: "a rollback cannot undo this change: " + change.OneWay})
		}
	}
}

// deletes is the deletion of an object that pods need; false for none.
func (c *check) deletes(namespace string, r reference) (record.Deletion, bool) {
	i := slices.IndexFunc(c.plan.Deletions, func(d record.Deletion) bool {
		return d.Kind == r.kind && d.Name == r.name && d.Namespace == namespace && !strings.Contains(d.Group, ".")
	})
	if i < 0 {
		return record.Deletion{}, false
	}
	return c.plan.Deletions[i], true
}

// remade reports whether a custom resource of the chart names the object, so that
// its operator may make it again: an ExternalSecret, a Certificate.
func (c *check) remade(name string) bool {
	return slices.ContainsFunc(c.objects, func(o object) bool {
		return isCustom(o) && text.Anywhere(o.Object, func(s string) bool { return s == name })
	})
}
