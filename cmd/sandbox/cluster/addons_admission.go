package cluster

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// startAdmission runs policy-controller as a process of the node. It asks the sandbox's
// registry for signatures, and trusts its authority; of keyless signatures it knows no root.
func startAdmission(ctx context.Context, s *supervisor) error {
	n := s.node
	if err := errors.Join(n.applyFile(ctx, n.Bin+"/policy-controller.yaml"), n.apply(ctx, "admission.yaml")); err != nil {
		return err
	}
	return s.up(ctx, component{name: "policy-controller", path: n.Bin + "/policy-controller",
		args:  []string{"--disable-tuf"},
		env:   []string{"KUBECONFIG=" + n.addOnKubeconfig(), "SYSTEM_NAMESPACE=cosign-system", "WEBHOOK_NAME=webhook", "METRICS_DOMAIN=sigstore.dev/policy", "SSL_CERT_FILE=" + n.Path("pki/ca.crt")},
		ready: n.admits})
}

// admits waits until policy-controller has written into its webhooks what they are asked
// about: before that the API server does not ask them.
func (n Node) admits(ctx context.Context) error {
	client, err := n.Client()
	if err != nil {
		return err
	}
	validating, err := client.AdmissionregistrationV1().ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	mutating, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var idle []error
	note := func(webhook string, rules int) {
		if rules == 0 {
			idle = append(idle, fmt.Errorf("the webhook %s is asked about nothing yet", webhook))
		}
	}
	for _, c := range validating.Items {
		for _, w := range c.Webhooks {
			note(w.Name, len(w.Rules))
		}
	}
	for _, c := range mutating.Items {
		for _, w := range c.Webhooks {
			note(w.Name, len(w.Rules))
		}
	}
	return errors.Join(idle...)
}
