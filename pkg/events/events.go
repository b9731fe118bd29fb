// Package events reads the events of Kubernetes, for all who look at them.
package events

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// SeenAt is when an event happened last, by the clock of who reported it; zero where it does not say.
// Who reports has three ways to say it: the last of a count, the moment of a single one, the last of a series
// (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/).
func SeenAt(e *corev1.Event) time.Time {
	last := e.LastTimestamp.Time
	if e.EventTime.After(last) {
		last = e.EventTime.Time
	}
	if e.Series != nil && e.Series.LastObservedTime.After(last) {
		last = e.Series.LastObservedTime.Time
	}
	return last
}
