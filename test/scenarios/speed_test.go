package scenarios

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

// repeats is how often a time is measured; its median counts.
const repeats = 5

// promises are how long the verdict may take, from the end of apply, in seconds.
var promises = []struct {
	name, values string
	limit        float64
}{
	{"missing image", missingImage, 10},
	{"image that must be on the node", `containers: [{name: sidecar, image: "busybox:local", imagePullPolicy: Never}]`, 5},
	{"missing key of a Secret", `
container: {env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: database, key: password}}}]}
objects: [{apiVersion: v1, kind: Secret, metadata: {name: database}, stringData: {user: app}}]`, 28},
	{"crash at the start", `script: "echo cannot open the database >&2; exit 3"`, 45},
}

func TestTheVerdictComesInSeconds(t *testing.T) {
	for i, promise := range promises {
		t.Run(promise.name, func(t *testing.T) {
			beside(t)
			r := &result.Result{Group: result.Speed, Name: promise.name, Order: i, Limit: promise.limit}
			report(t, r)
			s := scenario{name: "speed " + promise.name}.prepare(t)
			for range repeats {
				o := s.deploy(2, promise.values).recorded()
				require.Equal(t, 4, o.exit)
				r.Cause = o.record.Cause.String()
				r.Values = append(r.Values, o.phase("watch").End.Sub(o.phase("apply").End).Seconds())
			}
			require.Less(t, median(r.Values), promise.limit)
		})
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// tailLimit is what a healthy deploy may take after the last pod is Ready, beside
// the time of the smoke checks.
const tailLimit = 2 * time.Second

func TestAHealthyDeployEndsSoonAfterTheLastPodIsReady(t *testing.T) {
	r := &result.Result{Group: result.Tail, Name: "healthy deploy", Limit: tailLimit.Seconds()}
	report(t, r)
	good := answers(says("200 OK", "ok")) + "\ncontainer: {readinessProbe: {initialDelaySeconds: 3}}"
	s := scenario{name: "tail", smoke: smokeChecks, first: good}.prepare(t)
	for i := range repeats {
		last := s.lastReady()
		p := s.deploy(2+i, good)
		o := p.recorded()
		require.Zero(t, o.exit)
		smoke := o.phase("smoke")
		r.Values = append(r.Values, (p.ended.Sub(last()) - smoke.End.Sub(smoke.Start)).Seconds())
	}
	require.Less(t, slices.Max(r.Values), tailLimit.Seconds())
}

// lastReady watches the pods that are made from now on; the function that it gives
// ends the watch and tells when the last of them became Ready. The times in a
// pod's status have whole seconds only.
func (s *site) lastReady() func() time.Time {
	s.t.Helper()
	pods := s.kube.CoreV1().Pods(s.namespace)
	list, err := pods.List(s.ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	known := map[string]bool{}
	for _, p := range list.Items {
		known[p.Name] = true
	}
	ctx, cancel := context.WithCancel(s.ctx)
	events, err := pods.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	require.NoError(s.t, err)
	var last time.Time
	var wg sync.WaitGroup
	wg.Go(func() {
		seen := map[string]bool{}
		for event := range events.ResultChan() {
			if p, ok := event.Object.(*corev1.Pod); ok && !known[p.Name] && !seen[p.Name] && ready(p) {
				seen[p.Name], last = true, time.Now()
			}
		}
	})
	return func() time.Time {
		cancel()
		events.Stop()
		wg.Wait()
		require.NotZero(s.t, last, "no new pod became Ready")
		return last
	}
}
