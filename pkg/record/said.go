package record

// What this program writes before the words of a pod.
const (
	// Said leads over to a line of a container's log or to its termination message.
	Said = "it said: "
	// LogEnd leads over to the last lines of a hook's log.
	LogEnd = "the end of its log: "
)

// execHook begins what the kubelet tells of a lifecycle hook that runs a program: of a long
// command the end may be left out, and with it the mark before what the program said.
const execHook = "Exec lifecycle hook ("

// Saying are all marks behind which a text holds words of a pod: those of this program, and
// those of the kubelet, which repeats what a pod said to a probe or a lifecycle hook.
// Where secrets of a pod are not known, the words are left out.
var Saying = []string{
	Said, ": " + ReasonLog + ": ", LogEnd,
	execHook, "probe failed: ", "probe errored: ", "probe warning: ", "PostStartHook failed: ", "PreStopHook failed: ", `, message: "`, `, message: \"`,
}
