package deploy

import (
	"fmt"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// codeChanged is the cause when somebody else changed what a revision applied.
const codeChanged = "deploy/changed-meanwhile"

func changedMeanwhile(revision int, drift []record.Change) *record.Cause {
	return &record.Cause{Code: codeChanged, Object: drift[0].Object,
		Message: fmt.Sprintf("the live objects are not those of revision %d, somebody else changed them: %s", revision, names(drift))}
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
	switch {
	case c.Note != "":
		return "it " + c.Note
	case len(c.Fields) > maxFields:
		return strings.ToValidUTF8(c.Fields[:maxFields], "") + "…"
	case c.Fields != "":
		return c.Fields
	case c.Action == record.ActionCreate:
		return "it is gone"
	case c.Action == record.ActionDelete:
		return "it is of another revision"
	}
	return string(c.Action)
}
