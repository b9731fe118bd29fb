package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// client is a pod in the cluster that asks the Service for "/" all the time, and
// the way to look at the cluster past stagecrew.
type client struct {
	kube     kubernetes.Interface
	asked    int
	failures []string
}

const (
	clientPod = "client"
	// maxLog bounds what is read of the client's log, in bytes.
	maxLog = 8 << 20
	// script prints a line a request: "ok", or the time and wget's own words.
	script = `while true; do
  if message=$(timeout 5 wget -q -O /dev/null "$URL" 2>&1); then echo ok; else echo "failed $(date -u +%T) $message" | tr '\n' ' '; echo; fi
  sleep 0.1
done`
)

func newClient(kubeconfig string) (*client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	kube, err := kubernetes.NewForConfig(config)
	return &client{kube: kube}, err
}

// reset removes what an earlier demo left in the cluster.
func (c *client) reset(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	namespaces := c.kube.CoreV1().Namespaces()
	for {
		err := namespaces.Delete(ctx, namespace, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			break
		}
		if err != nil && !apierrors.IsConflict(err) {
			return fmt.Errorf("removing namespace %s of an earlier demo: %w", namespace, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("removing namespace %s of an earlier demo: %w", namespace, ctx.Err())
		case <-time.After(time.Second):
		}
	}
	_, err := namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	return err
}

// start runs the client pod and waits for its first request.
func (c *client) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	grace := int64(0)
	pod := &corev1.Pod{
		// The label lets it through the chart's NetworkPolicy.
		ObjectMeta: metav1.ObjectMeta{Name: clientPod, Namespace: namespace, Labels: map[string]string{"backstage-client": "true"}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &grace,
			Containers: []corev1.Container{{
				Name: "client", Image: "busybox:1.36", Command: []string{"sh", "-c", script},
				Env: []corev1.EnvVar{{Name: "URL", Value: "http://backstage/"}},
			}},
		},
	}
	if _, err := c.kube.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("starting the client: %w", err)
	}
	for {
		if log, err := c.log(ctx); err == nil && strings.Contains(log, "ok\n") {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the client's first answer: %w", ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// stop counts the requests and removes the pod.
func (c *client) stop(ctx context.Context) error {
	log, err := c.log(ctx)
	if err != nil {
		return fmt.Errorf("reading the client's log: %w", err)
	}
	for line := range strings.Lines(log) {
		c.asked++
		if !strings.HasPrefix(line, "ok") {
			c.failures = append(c.failures, strings.TrimSpace(line))
		}
	}
	return c.kube.CoreV1().Pods(namespace).Delete(ctx, clientPod, metav1.DeleteOptions{})
}

func (c *client) log(ctx context.Context) (string, error) {
	stream, err := c.kube.CoreV1().Pods(namespace).GetLogs(clientPod, &corev1.PodLogOptions{}).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	content, err := io.ReadAll(io.LimitReader(stream, maxLog))
	return string(content), err
}

// revisions counts Helm's records of the release.
func (c *client) revisions(ctx context.Context) (int, error) {
	list, err := c.kube.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{LabelSelector: "owner=helm,name=" + release})
	if err != nil {
		return 0, err
	}
	return len(list.Items), nil
}
