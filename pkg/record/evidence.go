package record

// Evidence is what is known about a failed rollout before anything is rolled
// back. All texts are untrusted and bounded; known secret values are withheld.
type Evidence struct {
	Cause  Cause      `json:"cause"`
	Pods   []PodState `json:"pods"`   // all pods of the workloads, new ones first
	Events []Event    `json:"events"` // warnings about the workloads and their pods, newest first
	Logs   []Log      `json:"logs"`   // of the containers of new pods that are not ready
	Diff   string     `json:"diff"`   // unified, from the last good manifest to the failed one
}

// PodState is one pod as a person would want to see it in a table.
type PodState struct {
	Name     string `json:"name"`
	Owner    string `json:"owner"`    // "Deployment/backstage"
	New      bool   `json:"new"`      // of the revision that is rolled out
	Ready    string `json:"ready"`    // ready and all containers, "1/2"
	Status   string `json:"status"`   // as kubectl shows it: Running, CrashLoopBackOff, Terminating, …
	Restarts int    `json:"restarts"` // of all containers
	Node     string `json:"node"`     // "" while unscheduled
	Seconds  int    `json:"seconds"`  // age
	Message  string `json:"message"`  // why it is not ready, "" when it is
}

// Event is one warning event.
type Event struct {
	Object  string `json:"object"` // "Pod/backstage-7d9"
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Count   int    `json:"count"`
	Seconds int    `json:"seconds"` // since it was last seen
}

// Log is the end of one container's log.
type Log struct {
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Previous  bool   `json:"previous"` // of the run before the present one
	Ended     string `json:"ended"`    // how that run ended, "" while it runs: "exit code 1 after 3s"
	Text      string `json:"text"`
}
