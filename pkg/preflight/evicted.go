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
)

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
		n, last := 0, corev1.Pod{}
		for _, p := range failed.Items {
			if p.Status.Phase != corev1.PodFailed || !labels.SelectorFromSet(own).Matches(labels.Set(p.Labels)) || !overLimit.MatchString(p.Status.Message) {
				continue
			}
			if n++; last.Name == "" || last.CreationTimestamp.Before(&p.CreationTimestamp) {
				last = p
			}
		}
		if n > 0 {
			c.add(record.Concern{Code: "preflight/evicted", Object: t.object.name(),
				Message: fmt.Sprintf("the nodes have ended %d of its pods for what they wrote, Pod/%s last: %s", n, last.Name, strings.TrimSpace(last.Status.Message)),
				Advice:  "raise the limit, or let it write less, if this release does not; kubectl delete pod removes those that have ended"})
		}
	}
}
