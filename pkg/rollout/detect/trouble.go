// Package detect finds in one look what is wrong with a pod or a controller, and names it by
// a code of [causes]. It remembers nothing: when a trouble is a failure is the judge's to say.
package detect

import (
	"cmp"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// Trouble is one condition that may turn out to be a failure.
type Trouble struct {
	Cause      record.Cause
	Specific   bool            // the message is the runtime's own, not a generic one
	Shared     bool            // another pod of the same revision has been ready
	Failures   int             // how often the container has ended; 0 where that does not count
	Workload   record.Workload // whose it is; zero for a Service's
	Recovering bool            // its clock stands still: it is about to heal
	Earlier    bool            // the pod is older than the revision; without failures since its clock stands still, too
	Run        podstate.Run
	Missing    *MissingObject // what is not there, by the whole of the message; nil where it names nothing
	Also       string         // the end of the message that another event says, which may come later
}

// Key says which troubles are the same thing seen again.
func (t Trouble) Key() string {
	return strings.Join([]string{t.Cause.Object, t.Cause.Container, cmp.Or(causes.Of(t.Cause.Code).Incident, t.Cause.Code)}, "|")
}

// Beside adds to a trouble an earlier one that it may come from.
func Beside(t, earlier Trouble) Trouble {
	c := earlier.Cause
	t.Cause.Message += fmt.Sprintf("; %s container %s: %s", c.Object, c.Container, Words(c))
	t.Cause.MetLock = t.Cause.MetLock || c.MetLock
	return t
}

// Words is the message of a cause for a text that does not give its reason before it.
func Words(c record.Cause) string {
	if c.Reason == record.ReasonLog {
		return record.Said + c.Message
	}
	return c.Message
}

// OfPod is one about a pod as a whole.
func OfPod(p *corev1.Pod, code, reason, message string) Trouble {
	return Trouble{Specific: true, Missing: missingIn(message), Cause: record.Cause{Code: code, Object: "Pod/" + p.Name, Reason: reason, Message: wording.Shorten(message)}}
}

// Because adds to a general trouble the specific one behind it.
func Because(general, specific Trouble) Trouble {
	general.Cause.Object, general.Cause.Container, general.Cause.Reason = specific.Cause.Object, specific.Cause.Container, specific.Cause.Reason
	general.Cause.Message += ": " + specific.Cause.Message
	general.Cause.MetLock = specific.Cause.MetLock
	general.Run = specific.Run
	return general
}
