package preflight

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxEvicted bounds a kubelet's words, in characters.
const maxEvicted = 400

// overLimit are the kubelet's words for a pod that wrote more than its own limits allow
// (pkg/kubelet/eviction/helpers.go).
var overLimit = regexp.MustCompile(`Usage of EmptyDir volume "[^"]*" exceeds the limit|ephemeral local storage usage exceeds the total limit|exceeded its local ephemeral storage limit`)

// evicted looks for pods of the live revision that their nodes have ended for what they wrote.
// The kubelet measures volumes once a minute, when a deploy has long called them good
// (https://github.com/decocms/studio/pull/7011, https://github.com/kubernetes/kubernetes/issues/116986):
// the next one tells it.
func (c *check) evicted(ctx context.Context) {
	failed, err := c.Client.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "status.phase=Failed"})
	if err != nil {
		return // permissions says so
	}
	for _, t := range c.templates() {
		own, _, _ := unstructured.NestedStringMap(t.object.Object, "spec", "selector", "matchLabels") // the dry run has told about another type
		if len(own) == 0 || t.object.GetNamespace() != c.Namespace {
			continue
		}
		var wrote []corev1.Pod
		for _, p := range failed.Items {
			if labels.SelectorFromSet(own).Matches(labels.Set(p.Labels)) && overLimit.MatchString(p.Status.Message) {
				wrote = append(wrote, p)
			}
		}
		if concern, found := Evicted(t.object.name(), wrote); found {
			c.add(concern)
		}
	}
}

// Evicted tells of the pods of one object, "Deployment/web", that their nodes have ended:
// for what they wrote, or because a node ran out of something. false where there is none
// among them.
func Evicted(object string, pods []corev1.Pod) (record.Concern, bool) {
	n, last := 0, corev1.Pod{}
	for _, p := range pods {
		if p.Status.Phase != corev1.PodFailed || p.Status.Reason != "Evicted" {
			continue
		}
		if n++; last.Name == "" || last.CreationTimestamp.Before(&p.CreationTimestamp) {
			last = p
		}
	}
	why, advice := "", "kubectl delete pod removes those that have ended"
	if overLimit.MatchString(last.Status.Message) {
		why, advice = " for what they wrote", "raise the limit, or let it write less, if this release does not; "+advice
	}
	return record.Concern{Code: "preflight/evicted", Object: object, Advice: advice,
		Message: fmt.Sprintf("the nodes have ended %d of its pods%s, Pod/%s last: %s", n, why, last.Name, text.Middle(strings.TrimSpace(last.Status.Message), maxEvicted))}, n > 0
}
