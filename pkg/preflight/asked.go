package preflight

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// asked makes sure that the Services that the smoke checks are to go through are
// there, by the setting or by their annotation: after the rollout it is too late for
// a slip of the pen. A rollback may go to a revision that knew them not.
func (c *check) asked(ctx context.Context) {
	if !c.Forwarding {
		return
	}
	for _, text := range c.SmokeServices {
		name, port, _ := strings.Cut(text, ":")
		i := slices.IndexFunc(c.rendered(), func(s corev1.Service) bool { return s.Name == name })
		if i < 0 {
			c.notAsked("Service/"+name, fmt.Sprintf("--smoke-service %s: there is no such Service in the release%s", text, c.elsewhere(ctx, name)))
			continue
		}
		c.askedPort(c.rendered()[i], "--smoke-service "+text, port)
	}
	for _, s := range c.rendered() {
		if value := strings.TrimSpace(s.Annotations[record.AnnotationSmoke]); !slices.Contains([]string{"", "true", "false"}, value) {
			c.askedPort(s, fmt.Sprintf("its annotation %s: %s", record.AnnotationSmoke, value), value)
		}
	}
}

// askedPort looks at the port of a Service that is there; "" leaves it open.
func (c *check) askedPort(s corev1.Service, said, port string) {
	switch {
	case port != "" && !hasPort(s, port):
		c.notAsked("Service/"+s.Name, fmt.Sprintf("%s: it has no port %s; it has %s", said, port, ports(s)))
	case len(s.Spec.Selector) == 0 || s.Spec.Type == corev1.ServiceTypeExternalName:
		c.notAsked("Service/"+s.Name, said+": it selects no pods, so that nothing of the release is behind it")
	}
}

// elsewhere says what there is instead: in the cluster, or in the release.
func (c *check) elsewhere(ctx context.Context, name string) string {
	var words string
	if _, err := c.Client.CoreV1().Services(c.Namespace).Get(ctx, name, metav1.GetOptions{}); err == nil {
		words = ", only in the cluster"
	}
	var there []string
	for _, s := range c.rendered() {
		there = append(there, described(s))
	}
	return words + "; there is " + cmp.Or(listed(there), "none at all")
}

func (c *check) notAsked(object, message string) {
	c.add(record.Concern{Code: "preflight/smoke-service", Object: object, Message: message, Blocks: c.plan.Image != (record.Image{}),
		Advice: "name a Service of the release, and a port of it by name or number: --smoke-service NAME[:PORT]"})
}
