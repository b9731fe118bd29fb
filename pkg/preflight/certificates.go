package preflight

import (
	"context"
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// certificates looks for those of Ingresses that are not there and that no issuer is asked
// for: visitors get the controller's own certificate, which no browser takes
// (https://github.com/kubernetes/ingress-nginx/issues/13285, https://github.com/bitnami/charts/issues/4056).
func (c *check) certificates(ctx context.Context) {
	for _, o := range c.objects {
		ingress, ok := as[networkingv1.Ingress](o)
		if !ok || !isOf(o, networkingv1.GroupName, "Ingress") || isIssued(o) {
			continue
		}
		for i, tls := range ingress.Spec.TLS {
			secret := reference{kind: "Secret", name: tls.SecretName}
			if tls.SecretName == "" || c.makes(o.GetNamespace(), secret) || c.remade(tls.SecretName) {
				continue
			}
			if _, err := c.Client.CoreV1().Secrets(o.GetNamespace()).Get(ctx, tls.SecretName, metav1.GetOptions{}); apierrors.IsNotFound(err) {
				c.add(record.Concern{Code: "preflight/leads-nowhere", Object: o.name(),
					Message: fmt.Sprintf("spec.tls[%d] names Secret/%s, which is neither in the chart nor in namespace %s: visitors of %s get the certificate of the controller itself, which no browser takes", i, tls.SecretName, o.GetNamespace(), listed(tls.Hosts)),
					Advice:  "make it, or have it made: by cert-manager an annotation such as cert-manager.io/cluster-issuer does"})
			}
		}
	}
}

// isIssued reports whether an annotation of an Ingress asks an issuer for its certificates.
func isIssued(o object) bool {
	for name := range o.GetAnnotations() {
		if strings.Contains(name, "cert") || strings.Contains(name, "acme") {
			return true
		}
	}
	return false
}
