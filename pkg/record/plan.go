package record

import (
	"time"
)

// Plan is what applying a chart, or a rollback, would change.
type Plan struct {
	// Manifest is the rendered chart as a YAML stream. It holds Secrets in clear:
	// it is for checks and never shown.
	Manifest string
	// Applied is what would be watched; its revision has the number it would get.
	Applied Applied
	// Changes are the objects that would be made, changed or removed, in the order
	// of the manifest; objects that would stay as they are are left out.
	Changes []Change
	// Image is what the release is to run; zero for a rollback.
	Image Image
	// ImagePaths are the places in the chart's values that look like an image, without
	// the one that takes this one: "backstage.image".
	ImagePaths []string
	// Deletions are the objects that would go, with what would be lost with them.
	Deletions []Deletion
	// Migrations say what going back from Image needs; nil where that was not looked at.
	Migrations *Migrations
	// Concerns are what the planning itself found.
	Concerns []Concern
	// Denied is the API server's first no to a question that a plan must ask; ""
	// for none. With one the plan is not complete.
	Denied string
}

// Deletion is an object that a plan would delete.
type Deletion struct {
	Group, Kind, Namespace, Name string
	// Loss is what ends with it: "its 2 ready pods"; "" for nothing that runs or
	// cannot be made again.
	Loss string
	// Why is what makes Kubernetes delete it, where it is not that the chart drops it:
	// "StatefulSet/db gets 1 instead of 3 replicas, and …"; "" else.
	Why string
}

// Object gives "Kind/name".
func (d Deletion) Object() string { return d.Kind + "/" + d.Name }

// Change is what would happen to one object.
type Change struct {
	Object string       `json:"object"` // "Deployment/backstage"
	Action ChangeAction `json:"action"`
	// Diff is a unified diff from the live object to what it would be; "" for a
	// deleted one. The data of Secrets is withheld.
	Diff string `json:"diff"`
	// OneWay says why a rollback could not undo it, "" when it can.
	OneWay string `json:"oneWay,omitempty"`
	// Fields are what differs of an object that is there, with commas between them:
	// "spec.replicas, spec.template.spec.containers[app].image". Known of a drift only.
	Fields string `json:"fields,omitempty"`
	// Differences are the same with their values.
	Differences []Difference `json:"differences,omitempty"`
	// Note says what else there is to know: "is being deleted".
	Note string `json:"note,omitempty"`
}

// ChangeAction is what would be done to an object.
type ChangeAction string

// The actions of a change.
const (
	ActionCreate ChangeAction = "create"
	ActionUpdate ChangeAction = "update"
	ActionDelete ChangeAction = "delete"
)

// String gives the change for people: "Deployment/web (update: spec.replicas)".
func (c Change) String() string {
	what := string(c.Action)
	if c.Note != "" {
		what = c.Note
	}
	if c.Fields != "" {
		what += ": " + c.Fields
	}
	return c.Object + " (" + what + ")"
}

// Concern is something that preflight found.
type Concern struct {
	Code    string `json:"code"`   // stable, for example "preflight/forbidden"
	Object  string `json:"object"` // "" when no object is concerned
	Message string `json:"message"`
	Advice  string `json:"advice"` // what to do; may be several lines of YAML
	// Blocks says that the deploy would certainly fail; others are warnings.
	Blocks bool `json:"blocks"`
}

// Journal is what a run writes down in the cluster about itself, so that the
// next one knows what a dead run was doing.
type Journal struct {
	Holder         string    `json:"holder"` // run id and attempt, or host and process
	Phase          string    `json:"phase"`  // as in [Phase]
	Revision       int       `json:"revision"`
	RollbackTarget int       `json:"previousGood"`
	Since          time.Time `json:"since"` // when the phase began
}

// String gives the concern for people: "Role/x: message; advice [code]".
func (c Concern) String() string {
	s := c.Message
	if c.Object != "" {
		s = c.Object + ": " + s
	}
	if c.Advice != "" {
		s += "; " + c.Advice
	}
	return s + " [" + c.Code + "]"
}
