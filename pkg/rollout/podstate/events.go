package podstate

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ContainerOf reads the container from "spec.containers{web}", also of init containers.
func ContainerOf(e *corev1.Event) string {
	_, rest, _ := strings.Cut(e.InvolvedObject.FieldPath, "{")
	return strings.TrimSuffix(rest, "}")
}
