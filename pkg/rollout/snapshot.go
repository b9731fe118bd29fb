package rollout

import (
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// snapshot is one look at everything.
type snapshot struct {
	now          time.Time
	since        time.Time // when the revision was applied
	workloads    []record.Workload
	least        map[record.Workload]int64     // generation of each workload as it was applied
	templates    map[record.Workload]podSource // what each says about its pods
	deployments  []*appsv1.Deployment
	replicaSets  []*appsv1.ReplicaSet
	statefulSets []*appsv1.StatefulSet
	daemonSets   []*appsv1.DaemonSet
	jobs         []*batchv1.Job
	controllers  []*corev1.ReplicationController
	pods         []*corev1.Pod
	claims       []*corev1.PersistentVolumeClaim
	events       []*corev1.Event
	services     []service
	slices       []*discoveryv1.EndpointSlice
	lines        map[container]line // that matched a log pattern

	byUID  map[types.UID][]*corev1.Event
	byName map[string][]*corev1.Event // "Kind/namespace/name"
}

// podSource is what a workload says about its pods.
type podSource struct {
	selector *metav1.LabelSelector
	labels   map[string]string
	spec     corev1.PodSpec
	claims   bool   // pods get claims of their own
	replicas *int32 // nil where that is not for the workload to say
	ends     bool   // they end by design
	self     bool   // it is the pod itself
}

// add puts an object into its place; one of another kind has none.
func (s *snapshot) add(object metav1.Object) {
	switch o := object.(type) {
	case *appsv1.Deployment:
		s.deployments = append(s.deployments, o)
	case *appsv1.ReplicaSet:
		s.replicaSets = append(s.replicaSets, o)
	case *appsv1.StatefulSet:
		s.statefulSets = append(s.statefulSets, o)
	case *appsv1.DaemonSet:
		s.daemonSets = append(s.daemonSets, o)
	case *batchv1.Job:
		s.jobs = append(s.jobs, o)
	case *corev1.ReplicationController:
		s.controllers = append(s.controllers, o)
	case *corev1.Pod:
		s.pods = append(s.pods, o)
	case *corev1.PersistentVolumeClaim:
		s.claims = append(s.claims, o)
	case *corev1.Event:
		s.events = append(s.events, o)
	case *discoveryv1.EndpointSlice:
		s.slices = append(s.slices, o)
	}
}

// service is a Service of the release.
type service struct {
	namespace, name  string
	selector         labels.Selector
	ports            []corev1.ServicePort
	headless         bool
	publishesUnready bool // its endpoints do not follow the readiness of pods
	gone             bool
	smoke            string   // annotation [record.AnnotationSmoke]
	led              []string // ports that led to pods of the revision before
	asked            int      // the port that the smoke checks go through, 0 for none
	onlyNear         bool     // no other leads to what runs the image, and it nearly does
}

// line is what a container said that matched a log pattern.
type line struct {
	text string
	// transient says that a restart may heal it.
	transient bool
}

// index sorts the events by what they are about.
func (s *snapshot) index() {
	s.byUID, s.byName = map[types.UID][]*corev1.Event{}, map[string][]*corev1.Event{}
	for _, e := range s.events {
		about := e.InvolvedObject
		if about.UID != "" {
			s.byUID[about.UID] = append(s.byUID[about.UID], e)
		}
		name := about.Kind + "/" + about.Namespace + "/" + about.Name
		s.byName[name] = append(s.byName[name], e)
	}
}

// latest is the newest event about a pod with one of the reasons, nil without one.
// A container's name limits it to that container's events.
func (s *snapshot) latest(p *corev1.Pod, name string, reasons ...string) *corev1.Event {
	if p.UID == "" {
		return nil
	}
	return newest(s.byUID[p.UID], name, reasons)
}

// about is the newest event about an object that is no pod.
func (s *snapshot) about(kind, namespace, name string, reasons ...string) *corev1.Event {
	return newest(s.byName[kind+"/"+namespace+"/"+name], "", reasons)
}

func newest(events []*corev1.Event, name string, reasons []string) *corev1.Event {
	var found *corev1.Event
	for _, e := range events {
		if name != "" && containerOf(e) != name {
			continue
		}
		for _, reason := range reasons {
			if e.Reason == reason && (found == nil || seenAt(e).After(seenAt(found))) {
				found = e
			}
		}
	}
	return found
}

// containerOf reads the container from "spec.containers{web}", also of init containers.
func containerOf(e *corev1.Event) string {
	_, rest, _ := strings.Cut(e.InvolvedObject.FieldPath, "{")
	return strings.TrimSuffix(rest, "}")
}

// seenAt is when an event happened last, by the clock of who reported it.
func seenAt(e *corev1.Event) time.Time {
	last := e.LastTimestamp.Time
	if e.EventTime.After(last) {
		last = e.EventTime.Time
	}
	if e.Series != nil && e.Series.LastObservedTime.After(last) {
		last = e.Series.LastObservedTime.Time
	}
	return last
}
