package detect

import (
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// Rejected classifies why a controller could not make something; other is the code
// for what has no name of its own.
func Rejected(object, reason, message, other string) Trouble {
	code, has := other, func(part string) bool { return strings.Contains(message, part) }
	switch {
	case has("exceeded quota"), has("failed quota"), has("insufficient quota"):
		code = causes.QuotaExceeded
	case has("failed calling webhook"), has("failed calling admission webhook"):
		code = causes.WebhookUnavailable
	case has("denied the request"), has("denied request"), has("violates PodSecurity"):
		code = causes.AdmissionDenied
	case has("error looking up service account"):
		code = causes.ServiceAccountMissing
	}
	return Trouble{Specific: true, Missing: missingIn(message), Cause: record.Cause{Code: code, Object: object, Reason: reason, Message: wording.Shorten(message)}}
}

// ReplicaSet are the reasons why a ReplicaSet cannot make its pods. Its condition keeps the
// words of the first failure until a pod was made, whatever the later ones say: those are in
// events (https://github.com/kubernetes/kubernetes/issues/127081).
func ReplicaSet(s *cluster.Snapshot, rs *appsv1.ReplicaSet) []Trouble {
	for _, c := range rs.Status.Conditions {
		if c.Type != appsv1.ReplicaSetReplicaFailure || c.Status != corev1.ConditionTrue {
			continue
		}
		message, e := c.Message, s.About("ReplicaSet", rs.Namespace, rs.Name, "FailedCreate")
		if e != nil && isAbout(e, rs) && events.SeenAt(e).After(c.LastTransitionTime.Time) {
			message = strings.TrimPrefix(e.Message, "Error creating: ")
		}
		return []Trouble{Rejected("ReplicaSet/"+rs.Name, c.Reason, message, causes.PodNotCreated)}
	}
	return nil
}

// isAbout reports whether an event is about that object and not an earlier one by its name.
func isAbout(e *corev1.Event, o metav1.Object) bool {
	return e.InvolvedObject.UID == "" || e.InvolvedObject.UID == o.GetUID()
}

// maxCreationAge is how old the event of a controller may be that cannot make something. It
// tries again at growing intervals.
const maxCreationAge = 3 * time.Minute

// creationEvent is the newest event of a controller that cannot make something; nil for none.
func creationEvent(s *cluster.Snapshot, kind string, o metav1.Object, reason string) *corev1.Event {
	e := s.About(kind, o.GetNamespace(), o.GetName(), reason)
	if e == nil || s.Now.Sub(events.SeenAt(e)) > maxCreationAge || !isAbout(e, o) {
		return nil
	}
	return e
}

// CreationEvents are why a StatefulSet, DaemonSet or Job cannot make a pod, which they
// tell only by events. They count while a pod is missing.
func CreationEvents(s *cluster.Snapshot, kind string, o metav1.Object, complete bool) []Trouble {
	e := creationEvent(s, kind, o, "FailedCreate")
	if e == nil || complete {
		return nil
	}
	return []Trouble{Rejected(kind+"/"+o.GetName(), e.Reason, e.Message, causes.PodNotCreated)}
}

// Deployment are what the Deployment's controller itself says.
func Deployment(d *appsv1.Deployment) []Trouble {
	object := "Deployment/" + d.Name
	if d.Spec.Paused {
		return []Trouble{{Specific: true, Cause: record.Cause{Code: causes.Paused, Object: object, Reason: "DeploymentPaused",
			Message: "spec.paused is true: Kubernetes does not roll it out; resume it"}}}
	}
	i := slices.IndexFunc(d.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded"
	})
	if i < 0 {
		return nil
	}
	c := d.Status.Conditions[i]
	return []Trouble{{Cause: record.Cause{Code: causes.ProgressDeadline, Object: object, Reason: c.Reason, Message: wording.Shorten(c.Message)}}}
}

// NoReplicaSet is why the Deployment's controller cannot make the ReplicaSet of a change, by
// its events: it may not have said yet that it has seen the change (getNewReplicaSet of
// pkg/controller/deployment), and its condition keeps the words of the first failure.
func NoReplicaSet(s *cluster.Snapshot, d *appsv1.Deployment) []Trouble {
	e := creationEvent(s, "Deployment", d, "ReplicaSetCreateError")
	if e == nil || events.SeenAt(e).Before(s.Since.Truncate(time.Second)) {
		return nil
	}
	return []Trouble{Rejected("Deployment/"+d.Name, e.Reason, e.Message, causes.ReplicaSetNotCreated)}
}
