package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/portal"
)

// visit looks at the whole example that is live: at what its kubernetes plugin may
// read, and, where there is a browser, at its pages.
func (d *demo) visit(ctx context.Context) error {
	way, done, err := d.wayIn(ctx)
	if err != nil {
		return err
	}
	defer done()
	for _, check := range []func(context.Context, http.RoundTripper) error{d.mayRead, d.plugin} {
		if err := check(ctx, way); err != nil {
			return fmt.Errorf("looking at the kubernetes plugin: %w", err)
		}
	}
	if d.whole.browser == "" || d.whole.pictures == "" {
		return nil
	}
	return d.photograph(ctx, way)
}

// wayIn leads to a pod of what is live.
func (d *demo) wayIn(ctx context.Context) (http.RoundTripper, func(), error) {
	pods, err := d.client.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=backstage"})
	if err != nil {
		return nil, nil, err
	}
	cluster, err := kube.Connect(kube.Options{Kubeconfig: d.Kubeconfig, Namespace: namespace, Patience: time.Minute})
	if err != nil {
		return nil, nil, err
	}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			way, done := cluster.PodTransport(record.Pod{Namespace: namespace, Name: pod.Name, Port: 7007})
			return way, done, nil
		}
	}
	return nil, nil, fmt.Errorf("no pod of Backstage runs in namespace %s", namespace)
}

// mayRead asks the API server what the chart's ServiceAccount is allowed to.
func (d *demo) mayRead(ctx context.Context, _ http.RoundTripper) error {
	for resource, wanted := range map[string]bool{"pods": true, "secrets": false} {
		for _, verb := range []string{"get", "list", "watch"} {
			review, err := d.client.kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
				Spec: authorizationv1.SubjectAccessReviewSpec{
					User:               "system:serviceaccount:" + namespace + ":backstage",
					ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Resource: resource, Verb: verb},
				},
			}, metav1.CreateOptions{})
			if err != nil {
				return err
			}
			if review.Status.Allowed != wanted {
				return fmt.Errorf("the ServiceAccount may %s %s: %t, should be %t", verb, resource, review.Status.Allowed, wanted)
			}
		}
	}
	return nil
}

// plugin asks as a page would: for what belongs to the entity, and by the proxy.
func (d *demo) plugin(ctx context.Context, way http.RoundTripper) error {
	for _, ask := range portal.Questions(namespace) {
		request, err := http.NewRequestWithContext(ctx, ask.Method, "http://portal"+ask.Path, bytes.NewReader([]byte(ask.Body)))
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+d.whole.token)
		request.Header.Set(portal.Cluster[0], portal.Cluster[1])
		request.Header.Set("Content-Type", "application/json")
		answer, err := way.RoundTrip(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(answer.Body, maxLog))
		_ = answer.Body.Close()
		if err != nil {
			return err
		}
		if answer.StatusCode != ask.Status || !strings.Contains(string(text), ask.Words) {
			return fmt.Errorf("%s: %s %s: %s, should be %d with %q: %.300s", ask.What, ask.Method, ask.Path, answer.Status, ask.Status, ask.Words, text)
		}
	}
	return nil
}
