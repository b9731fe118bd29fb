package rollout

import (
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// rejected classifies why a controller could not make something; other is the code
// for what has no name of its own.
func rejected(object, reason, message, other string) trouble {
	code, has := other, func(part string) bool { return strings.Contains(message, part) }
	switch {
	case has("exceeded quota"), has("failed quota"), has("insufficient quota"):
		code = codeQuota
	case has("failed calling webhook"), has("failed calling admission webhook"):
		code = codeWebhook
	case has("denied the request"), has("denied request"), has("violates PodSecurity"):
		code = codeAdmission
	case has("error looking up service account"):
		code = codeServiceAccount
	}
	return trouble{specific: true, cause: record.Cause{Code: code, Object: object, Reason: reason, Message: shorten(message)}}
}

// roomGrace is how long a controller may take to notice that a pod of another one is
// gone: it tries again at growing intervals.
const roomGrace = time.Minute

// roomMayCome reports whether room may come by itself for a pod that cannot be made: one is
// going, or went just now. A new pod that starts without trouble is a hope, too: when
// it is ready, an old one goes.
func (j *judge) roomMayCome(w record.Workload) bool {
	at, known := j.lastGoing[w]
	return known && j.now.Sub(at) < roomGrace
}

// creation are the reasons why a ReplicaSet cannot make its pods.
func creation(rs *appsv1.ReplicaSet) []trouble {
	for _, c := range rs.Status.Conditions {
		if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
			return []trouble{rejected("ReplicaSet/"+rs.Name, c.Reason, c.Message, codePodCreate)}
		}
	}
	return nil
}

// addCreation adds why pods cannot be made.
func (s *status) addCreation(troubles []trouble) {
	for _, t := range troubles {
		t.recovering = s.recovering
		s.troubles = append(s.troubles, t)
	}
}

// maxCreationAge is how old the event of a controller may be that cannot make a pod. It
// tries again at growing intervals.
const maxCreationAge = 3 * time.Minute

// creationEvents: a StatefulSet, DaemonSet or Job tells only by events that it
// cannot make a pod. They count while a pod is missing.
func creationEvents(s *snapshot, kind string, o metav1.Object, complete bool) []trouble {
	e := s.about(kind, o.GetNamespace(), o.GetName(), "FailedCreate")
	if e == nil || complete || s.now.Sub(seenAt(e)) > maxCreationAge || e.InvolvedObject.UID != "" && e.InvolvedObject.UID != o.GetUID() {
		return nil
	}
	return []trouble{rejected(kind+"/"+o.GetName(), e.Reason, e.Message, codePodCreate)}
}
