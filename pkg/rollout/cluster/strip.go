package cluster

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxEvent bounds an event's message, in bytes.
const maxEvent = 2 << 10

// Strip drops what is not read here and is often the largest part.
func Strip(object any) any {
	switch o := object.(type) {
	case *corev1.Pod:
		return StripPod(o)
	case *corev1.Event:
		return StripEvent(o)
	case *corev1.PersistentVolumeClaim:
		return &corev1.PersistentVolumeClaim{ObjectMeta: identity(o.ObjectMeta), Status: corev1.PersistentVolumeClaimStatus{Phase: o.Status.Phase}}
	}
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object
}

// identity is what identifies an object and its owner.
func identity(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: m.Name, GenerateName: m.GenerateName, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion, Labels: m.Labels,
		Generation: m.Generation, OwnerReferences: m.OwnerReferences, CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
		DeletionGracePeriodSeconds: m.DeletionGracePeriodSeconds,
	}
}

// StripPod keeps of a pod what is read of it.
func StripPod(p *corev1.Pod) *corev1.Pod {
	small := &corev1.Pod{ObjectMeta: identity(p.ObjectMeta), Status: p.Status}
	small.Spec.NodeName, small.Spec.RestartPolicy, small.Spec.ReadinessGates = p.Spec.NodeName, p.Spec.RestartPolicy, p.Spec.ReadinessGates
	small.Spec.SchedulerName = p.Spec.SchedulerName
	small.Spec.InitContainers, small.Spec.Containers = stripContainers(p.Spec.InitContainers), stripContainers(p.Spec.Containers)
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim != nil || v.Ephemeral != nil || v.Image != nil {
			small.Spec.Volumes = append(small.Spec.Volumes, v)
		}
	}
	small.Status.EphemeralContainerStatuses, small.Status.PodIPs, small.Status.HostIPs = nil, nil, nil
	small.Status.InitContainerStatuses = stripStatuses(p.Status.InitContainerStatuses)
	small.Status.ContainerStatuses = stripStatuses(p.Status.ContainerStatuses)
	return small
}

func stripContainers(all []corev1.Container) []corev1.Container {
	small := make([]corev1.Container, len(all))
	for i, c := range all {
		small[i] = corev1.Container{Name: c.Name, Image: c.Image, Ports: c.Ports, RestartPolicy: c.RestartPolicy, ReadinessProbe: c.ReadinessProbe,
			LivenessProbe: c.LivenessProbe, StartupProbe: c.StartupProbe}
		if c.Lifecycle != nil && c.Lifecycle.PostStart != nil {
			small[i].Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{}} // that there is one
		}
		for _, name := range []corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			if limit, ok := c.Resources.Limits[name]; ok {
				if small[i].Resources.Limits == nil {
					small[i].Resources.Limits = corev1.ResourceList{}
				}
				small[i].Resources.Limits[name] = limit
			}
		}
	}
	return small
}

func stripStatuses(all []corev1.ContainerStatus) []corev1.ContainerStatus {
	small := make([]corev1.ContainerStatus, len(all))
	for i, c := range all {
		small[i] = corev1.ContainerStatus{
			Name: c.Name, ImageID: c.ImageID, State: c.State, LastTerminationState: c.LastTerminationState,
			Ready: c.Ready, Started: c.Started, RestartCount: c.RestartCount,
		}
	}
	return small
}

// combined is what client-go puts before the words of an event when ten of its kind, with
// other words each, have come within ten minutes (tools/record/events_cache.go).
const combined = "(combined from similar events): "

// StripEvent keeps of an event what is read of it, and of a long message both ends.
func StripEvent(e *corev1.Event) *corev1.Event {
	message := strings.TrimPrefix(e.Message, combined)
	if len(message) > maxEvent {
		message = text.Middle(message, maxEvent)
	}
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: e.Name, Namespace: e.Namespace, UID: e.UID, ResourceVersion: e.ResourceVersion},
		InvolvedObject: e.InvolvedObject, Reason: e.Reason, Message: message, Type: e.Type, Count: e.Count,
		LastTimestamp: e.LastTimestamp, EventTime: e.EventTime, Series: e.Series,
	}
}
