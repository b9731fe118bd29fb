package rollout

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
)

var (
	web  = record.Workload{Kind: "Deployment", Namespace: "portal", Name: "web"}
	noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	runs = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
)

func owner(kind, name string, uid types.UID) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{Kind: kind, Name: name, UID: uid, Controller: &yes}}
}

func template(image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: image}}},
	}
}

// deploying is a Deployment of one replica in the middle of its second revision.
func deploying(pods ...*corev1.Pod) snapshot {
	one := int32(1)
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "portal", UID: "d", Generation: 2, Annotations: map[string]string{revisionAnnotation: "2"}},
		Spec:       appsv1.DeploymentSpec{Replicas: &one, Template: template("new"), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status:     appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 2, UpdatedReplicas: 1, AvailableReplicas: 1},
	}
	sets := []*appsv1.ReplicaSet{replicaSet("old", "1"), replicaSet("new", "2")}
	return snapshot{workloads: []record.Workload{web}, least: map[record.Workload]int64{web: 2},
		deployments: []*appsv1.Deployment{d}, replicaSets: sets, pods: append(pods, pod("web-old", "old", true))}
}

// deployed is the same with its one new pod ready and the old one gone.
func deployed() snapshot {
	s := deploying(pod("web-new", "new", true))
	s.deployments[0].Status.Replicas = 1
	s.pods = s.pods[:1]
	return s
}

// replicaSet has the template of the image of its own name.
func replicaSet(name, revision string) *appsv1.ReplicaSet {
	rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "portal", UID: types.UID(name), Labels: map[string]string{"app": "web"},
		Annotations: map[string]string{revisionAnnotation: revision}, OwnerReferences: owner("Deployment", "web", "d")}}
	rs.Spec.Template = template(name)
	rs.Spec.Template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = name
	return rs
}

func pod(name, set string, ready bool, statuses ...corev1.ContainerStatus) *corev1.Pod {
	condition := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse}
	if ready {
		condition.Status = corev1.ConditionTrue
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "portal", UID: types.UID(name), Labels: map[string]string{"app": "web"},
			OwnerReferences: owner("ReplicaSet", set, types.UID(set)), CreationTimestamp: metav1.NewTime(noon)},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web",
			Resources: corev1.ResourceRequirements{}, Ports: []corev1.ContainerPort{{ContainerPort: 9}, {Name: "http", ContainerPort: 7007}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{condition}, ContainerStatuses: statuses},
	}
}

// with adds a condition to a pod.
func with(p *corev1.Pod, kind corev1.PodConditionType, status corev1.ConditionStatus, reason, message string) *corev1.Pod {
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: kind, Status: status, Reason: reason, Message: message})
	return p
}

func waiting(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
}

func running(restarts int32) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "web", RestartCount: restarts, State: runs}
}

// crashed is a container in its back-off that has been restarted that often.
func crashed(restarts int32, code int32, reason string) corev1.ContainerStatus {
	c := waiting("CrashLoopBackOff", "back-off 10s")
	c.RestartCount = restarts
	c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason}
	return c
}

// event is about a pod of the same UID as its name, or about another object.
func event(kind, name, reason, message string) *corev1.Event {
	e := &corev1.Event{Reason: reason, Message: message, Type: corev1.EventTypeWarning, LastTimestamp: metav1.NewTime(noon),
		InvolvedObject: corev1.ObjectReference{Kind: kind, Namespace: "portal", Name: name}}
	e.Name = name + "." + reason
	e.Namespace = "portal"
	if kind == "Pod" {
		e.InvolvedObject.UID, e.InvolvedObject.FieldPath = types.UID(name), "spec.containers{web}"
	}
	return e
}

// after judges the same look again and again, once a second, and says after how
// many seconds the rollout failed; -1 when it did not within limit seconds.
func after(s snapshot, limit int) (int, *record.Cause) {
	return afterBy(newJudge(nil), s, limit)
}

func afterBy(j *judge, s snapshot, limit int) (int, *record.Cause) {
	for second := range limit + 1 {
		if v := j.decide(s, noon.Add(time.Duration(second)*time.Second)); v.failed != nil {
			return second, &v.failed.cause
		}
	}
	return -1, nil
}

// timedOut is the cause when the budget runs out while things are like that.
func timedOut(s snapshot) record.Cause {
	j := newJudge(nil)
	v := j.decide(s, noon)
	return j.timeout(v.progress, 90*time.Second).cause
}
