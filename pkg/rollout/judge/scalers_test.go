package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// scaler asks for that many pods of the fixture's Deployment at least.
func scaler(least int32) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "portal"}, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
		MinReplicas: &least, MaxReplicas: 9, ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web", APIVersion: "apps/v1"}}}
}

// https://github.com/helm/helm/issues/30831: helm says that it is done, and three of five
// pods have yet to start. knative/serving#12769, dunglas/mercure#1218 are about the same gap.
func TestAWorkloadIsNotReadyWithFewerPodsThanItsAutoscalerAsksFor(t *testing.T) {
	s := fixture.Deployed()
	s.Scalers = []*autoscalingv2.HorizontalPodAutoscaler{scaler(5)}
	j := New(nil)
	v := j.Decide(s, fixture.Noon)
	require.False(t, v.Ready)
	require.Nil(t, v.Failed)
	require.Equal(t, "waiting for Deployment/web: 1 of 1 new pods ready, HorizontalPodAutoscaler/web asks for at least 5", v.Progress)
	require.Equal(t, scalerGrace, v.Again)

	five := int32(5)
	s.Deployments[0].Spec.Replicas = &five
	v = j.Decide(s, fixture.Noon.Add(15*time.Second))
	require.False(t, v.Ready)
	require.Equal(t, "waiting for Deployment/web: 1 of 5 new pods ready", v.Progress)
}

func TestAnAutoscalerThatDoesNotActIsNotWaitedForForEver(t *testing.T) {
	s := fixture.Deployed()
	s.Scalers = []*autoscalingv2.HorizontalPodAutoscaler{scaler(5)}
	for name, c := range map[string]struct {
		until time.Time // of the budget
		after time.Duration
	}{
		"its controller has looked three times": {time.Time{}, scalerGrace},
		"the budget ends before":                {fixture.Noon.Add(10 * time.Second), 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			j := New(nil)
			j.JobsUntil = c.until
			require.False(t, j.Decide(s, fixture.Noon).Ready)
			require.False(t, j.Decide(s, fixture.Noon.Add(c.after-time.Second)).Ready)
			v := j.Decide(s, fixture.Noon.Add(c.after))
			require.True(t, v.Ready)
			require.Equal(t, []string{"Deployment/web: HorizontalPodAutoscaler/web asks for at least 5 pods and has not scaled it: 1 were proven"}, v.Notes)
		})
	}
}

func TestAutoscalersThatAreNotWaitedFor(t *testing.T) {
	stuck := func(kind autoscalingv2.HorizontalPodAutoscalerConditionType, reason string) func(*cluster.Snapshot) {
		return func(s *cluster.Snapshot) {
			s.Scalers[0].Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: kind, Status: corev1.ConditionFalse, Reason: reason}}
		}
	}
	for name, change := range map[string]func(*cluster.Snapshot){
		"it asks for no more":                func(s *cluster.Snapshot) { s.Scalers = []*autoscalingv2.HorizontalPodAutoscaler{scaler(1)} },
		"it says nothing":                    func(s *cluster.Snapshot) { s.Scalers[0].Spec.MinReplicas = nil },
		"another workload's":                 func(s *cluster.Snapshot) { s.Scalers[0].Spec.ScaleTargetRef.Name = "worker" },
		"of another namespace":               func(s *cluster.Snapshot) { s.Scalers[0].Namespace = "other" },
		"two of them, so that none acts":     stuck(autoscalingv2.ScalingActive, "AmbiguousSelector"),
		"one that cannot reach the workload": stuck(autoscalingv2.AbleToScale, "FailedGetScale"),
		"at rest, where it is off": func(s *cluster.Snapshot) {
			none := int32(0)
			s.Deployments[0].Spec.Replicas, s.Pods = &none, nil
			s.Deployments[0].Status.Replicas, s.Deployments[0].Status.UpdatedReplicas, s.Deployments[0].Status.AvailableReplicas = 0, 0, 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := fixture.Deployed()
			s.Scalers = []*autoscalingv2.HorizontalPodAutoscaler{scaler(5)}
			change(&s)
			require.True(t, New(nil).Decide(s, fixture.Noon).Ready)
		})
	}
	s := fixture.Deployed()
	s.Scalers = []*autoscalingv2.HorizontalPodAutoscaler{scaler(5)}
	stuck(autoscalingv2.ScalingActive, "FailedGetResourceMetric")(&s)
	require.False(t, New(nil).Decide(s, fixture.Noon).Ready, "it needs no metrics for its least number")
}
