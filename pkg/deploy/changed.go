package deploy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// codeChanged is the cause when another client changed what a revision applied.
const codeChanged = "deploy/changed-meanwhile"

// changed is the cause for a drift; what puts it right is kept for the advice.
func (r *run) changed(revision int, drift []record.Change) *record.Cause {
	r.mend = r.putRight(revision, drift)
	return &record.Cause{Code: codeChanged, Object: drift[0].Object,
		Message: fmt.Sprintf("the live objects are not those of revision %d, somebody else changed them: %s", revision, names(drift))}
}

// putRight says what to do about a drift. A number of pods that the manifest leaves to
// others is changed back by no deploy and no rollback.
func (r *run) putRight(revision int, drift []record.Change) string {
	var all []string
	for _, c := range drift {
		if c.IsOpen() {
			all = append(all, c.Rescale(r.Namespace)+" puts that right")
		}
	}
	if len(all) < len(drift) {
		all = append(all, fmt.Sprintf("`stagecrew rollback --release %s --namespace %s --to %d` or the next deploy puts back what revision %d says; to keep a change, bring it into the chart or its values",
			r.Release, r.Namespace, revision, revision))
	}
	return strings.Join(all, "; ")
}

// isOpen reports whether all of a drift is left to others by the manifest.
func isOpen(drift []record.Change) bool {
	return !slices.ContainsFunc(drift, func(c record.Change) bool { return !c.IsOpen() })
}

// names lists what differs, for a message.
func names(changes []record.Change) string {
	const most = 5
	var all []string
	for i, c := range changes {
		if i == most {
			all = append(all, fmt.Sprintf("and %d more", len(changes)-most))
			break
		}
		all = append(all, c.Object+" ("+howDiffers(c)+")")
	}
	return strings.Join(all, ", ")
}

// maxFields bounds what a message tells of one object, in bytes.
const maxFields = 300

// howDiffers says what the drift's change would mend.
func howDiffers(c record.Change) string {
	fields := c.Differs()
	switch {
	case c.Note != "":
		return "it " + c.Note
	case len(fields) > maxFields:
		return text.Cut(fields, maxFields)
	case fields != "":
		return fields
	case c.Action == record.ActionCreate:
		return "it is gone"
	case c.Action == record.ActionDelete:
		return "it is of another revision"
	}
	return string(c.Action)
}
