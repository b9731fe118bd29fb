package podstate

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// ContainerOf reads the container from "spec.containers{web}", also of init containers.
func ContainerOf(e *corev1.Event) string {
	_, rest, _ := strings.Cut(e.InvolvedObject.FieldPath, "{")
	return strings.TrimSuffix(rest, "}")
}

// SeenAt is when an event happened last, by the clock of who reported it.
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
