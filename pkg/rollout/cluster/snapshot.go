// Package cluster is what one look at the cluster shows: the objects of a release's
// workloads, without what is not read.
package cluster

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// Snapshot is one look at everything.
type Snapshot struct {
	Now          time.Time
	Since        time.Time // when the revision was applied
	Workloads    []record.Workload
	Least        map[record.Workload]int64     // generation of each workload as it was applied
	Templates    map[record.Workload]PodSource // what each says about its pods
	Deployments  []*appsv1.Deployment
	ReplicaSets  []*appsv1.ReplicaSet
	StatefulSets []*appsv1.StatefulSet
	DaemonSets   []*appsv1.DaemonSet
	Jobs         []*batchv1.Job
	Controllers  []*corev1.ReplicationController
	Pods         []*corev1.Pod
	Claims       []*corev1.PersistentVolumeClaim
	Scalers      []*autoscalingv2.HorizontalPodAutoscaler
	Events       []*corev1.Event
	Services     []Service
	Slices       []*discoveryv1.EndpointSlice
	Lines        map[podstate.Run]Line // that matched a log pattern

	ByUID  map[types.UID][]*corev1.Event
	byName map[string][]*corev1.Event // "Kind/namespace/name"
	lost   map[string]bool            // nodes
}

// Watched is a workload with what it says about its pods.
type Watched struct {
	record.Workload
	PodSource
}

// PodSource is what a workload says about its pods.
type PodSource struct {
	Selector *metav1.LabelSelector
	Labels   map[string]string
	Spec     corev1.PodSpec
	Claims   bool   // pods get claims of their own
	Replicas *int32 // nil where that is not for the workload to say
	Ends     bool   // they end by design
	Self     bool   // it is the pod itself
}

// Add puts an object into its place; one of another kind has none.
func (s *Snapshot) Add(object metav1.Object) {
	switch o := object.(type) {
	case *appsv1.Deployment:
		s.Deployments = append(s.Deployments, o)
	case *appsv1.ReplicaSet:
		s.ReplicaSets = append(s.ReplicaSets, o)
	case *appsv1.StatefulSet:
		s.StatefulSets = append(s.StatefulSets, o)
	case *appsv1.DaemonSet:
		s.DaemonSets = append(s.DaemonSets, o)
	case *batchv1.Job:
		s.Jobs = append(s.Jobs, o)
	case *corev1.ReplicationController:
		s.Controllers = append(s.Controllers, o)
	case *corev1.Pod:
		s.Pods = append(s.Pods, o)
	case *corev1.PersistentVolumeClaim:
		s.Claims = append(s.Claims, o)
	case *autoscalingv2.HorizontalPodAutoscaler:
		s.Scalers = append(s.Scalers, o)
	case *corev1.Event:
		s.Events = append(s.Events, o)
	case *discoveryv1.EndpointSlice:
		s.Slices = append(s.Slices, o)
	}
}

// Line is what a container said that matched a log pattern.
type Line struct {
	Text string
	// Transient says that a restart may heal it.
	Transient bool
	// MetLock says that a lock of migrations was held.
	MetLock bool
}

// Claim is the claim of that name, nil when the look has none.
func (s *Snapshot) Claim(namespace, name string) *corev1.PersistentVolumeClaim {
	for _, c := range s.Claims {
		if c.Name == name && c.Namespace == namespace {
			return c
		}
	}
	return nil
}

// ClaimsImage reports whether a container is to run that digest.
func (t PodSource) ClaimsImage(digest string) bool {
	return digest != "" && slices.ContainsFunc(t.Spec.Containers, func(c corev1.Container) bool { return podstate.HasDigest(c, digest) })
}

// HasPostStart reports whether a container of its pods is not ready before a hook has ended.
func (t PodSource) HasPostStart() bool {
	return slices.ContainsFunc(t.Spec.Containers, func(c corev1.Container) bool { return c.Lifecycle != nil && c.Lifecycle.PostStart != nil })
}

// MountsClaims reports whether its pods may wait for a claim.
func (t PodSource) MountsClaims() bool {
	for _, v := range t.Spec.Volumes {
		if v.PersistentVolumeClaim != nil || v.Ephemeral != nil {
			return true
		}
	}
	return t.Claims
}
