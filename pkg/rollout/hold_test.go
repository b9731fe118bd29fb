package rollout

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// step changes the cluster a while after the hold began.
type step struct {
	after time.Duration
	do    func(kubernetes.Interface) error
}

func put(p *corev1.Pod) func(kubernetes.Interface) error {
	return func(client kubernetes.Interface) error {
		_, err := client.CoreV1().Pods("portal").Update(context.Background(), p, metav1.UpdateOptions{})
		return err
	}
}

func create(p *corev1.Pod) func(kubernetes.Interface) error {
	return func(client kubernetes.Interface) error {
		_, err := client.CoreV1().Pods("portal").Create(context.Background(), p, metav1.CreateOptions{})
		return err
	}
}

func remove() func(kubernetes.Interface) error {
	return func(client kubernetes.Interface) error {
		return client.CoreV1().Pods("portal").Delete(context.Background(), "web-new", metav1.DeleteOptions{})
	}
}

func scale(replicas int32) func(kubernetes.Interface) error {
	return func(client kubernetes.Interface) error {
		d := fixture.Deployed().Deployments[0]
		d.Spec.Replicas, d.Generation, d.Status.ObservedGeneration = &replicas, 3, 3
		_, err := client.AppsV1().Deployments("portal").Update(context.Background(), d, metav1.UpdateOptions{})
		return err
	}
}

func alive(name string, restarts int32) *corev1.Pod {
	c := fixture.Running(restarts)
	c.Ready = true
	p := fixture.With(fixture.Pod(name, "new", true, c), corev1.ContainersReady, corev1.ConditionTrue, "", "")
	p.UID = types.UID(name)
	return p
}

// unready is a pod that was ready and is not.
func unready(name string) *corev1.Pod {
	return fixture.With(fixture.Pod(name, "new", false, fixture.Running(0)), corev1.ContainersReady, corev1.ConditionFalse, "", "")
}

func TestAHoldWatchesOn(t *testing.T) {
	restarted := alive("web-new", 1)
	restarted.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}
	cut := alive("web-new", 0)
	cut.Spec.NodeName = "n"
	cut.Status.Conditions[0].Status = corev1.ConditionFalse
	evicted := fixture.Pod("web-new", "new", false)
	evicted.Status.Phase, evicted.Status.Reason = corev1.PodFailed, "Evicted"
	failing := fixture.Pod("web-next", "new", false, fixture.Waiting("ErrImagePull", "not found"))
	cases := map[string]struct {
		steps   []step
		cause   string // a part of its message, "" when it holds
		seconds int
	}{
		"nothing happens": {nil, "", 60},
		"a container ends and is ready again at once": {[]step{{5 * time.Second, put(restarted)}}, "exited with code 137 (SIGKILL, OOMKilled)", 5},
		"a pod is not ready for a moment":             {[]step{{5 * time.Second, put(unready("web-new"))}, {12 * time.Second, put(alive("web-new", 0))}}, "", 60},
		"a pod is not ready any more":                 {[]step{{5 * time.Second, put(unready("web-new"))}}, "it was ready and has not been for 10s", 15},
		"an autoscaler wants more than there is room for": {[]step{{5 * time.Second, scale(3)},
			{6 * time.Second, create(fixture.With(fixture.Pod("web-2", "new", false), corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "0/1 nodes"))}}, "", 60},
		"an autoscaler wants less":       {[]step{{5 * time.Second, scale(0)}, {6 * time.Second, remove()}}, "", 60},
		"a node is drained":              {[]step{{50 * time.Second, remove()}, {51 * time.Second, create(fixture.Pod("web-next", "new", false))}, {80 * time.Second, put(alive("web-next", 0))}}, "", 80},
		"a replacement crashes once":     {[]step{{5 * time.Second, remove()}, {6 * time.Second, create(fixture.Pod("web-next", "new", false, fixture.Crashed(0, 1, "Error")))}, {20 * time.Second, put(alive("web-next", 1))}}, "", 60},
		"a pod is evicted and replaced":  {[]step{{5 * time.Second, put(evicted)}, {6 * time.Second, create(alive("web-next", 0))}}, "", 60},
		"its replacement cannot be made": {[]step{{5 * time.Second, remove()}, {6 * time.Second, create(failing)}}, "not found [rollout/image-not-found]", 66},
		"a pod goes and none comes":      {[]step{{5 * time.Second, remove()}}, "waiting for Deployment/web: 0 of 1 new pods ready after 300s", 300},
		"a node is lost and comes back":  {[]step{{5 * time.Second, put(cut)}, {40 * time.Second, put(alive("web-new", 0))}}, "", 60},
		"a node is lost and stays away":  {[]step{{5 * time.Second, put(cut)}}, "waiting for Deployment/web: 0 of 1 new pods ready after 300s: node", 300},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fixture.Deployed()
				s.Pods = []*corev1.Pod{alive("web-new", 0)}
				client := fakeCluster(t, s)
				for _, step := range c.steps {
					time.AfterFunc(step.after, func() { require.NoError(t, step.do(client)) })
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				start := time.Now()
				cause, _, err := Hold(ctx, Options{Client: client}, applied, time.Minute)
				require.NoError(t, err)
				require.Equal(t, c.seconds, int(time.Since(start).Seconds()))
				require.Equal(t, c.cause == "", cause == nil)
				if cause != nil {
					require.Equal(t, causes.NotStable, cause.Code)
					require.Contains(t, cause.Message, c.cause)
				}
			})
		})
	}
}

func TestAHoldThatIsInterruptedGivesNoVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		cause, _, err := Hold(ctx, Options{Client: fakeCluster(t, fixture.Deployed())}, applied, time.Minute)
		require.Nil(t, cause)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
