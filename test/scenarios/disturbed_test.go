package scenarios

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

// slowly are the values of a release that gives time for what happens meanwhile.
const slowly = `container: {readinessProbe: {initialDelaySeconds: 10}}`

// disturbed are healthy releases while the cluster itself has trouble, so that
// nothing else can run beside them.
var disturbed = []scenario{
	{
		name: "an API server that is killed while the pods start", second: slowly,
		during: func(s *site, p *process) {
			p.reaches("watch")
			s.awaits("a new pod", isNew)
			s.kill("kube-apiserver")
		},
	},
	{
		name:  "an API server that is killed while the smoke checks run",
		smoke: slowChecks, first: slowAnswers, second: slowAnswers,
		during: func(s *site, p *process) {
			p.reaches("smoke")
			s.kill("kube-apiserver")
		},
	},
	{
		name: "a controller manager and a scheduler that are killed", second: slowly,
		during: func(s *site, p *process) {
			p.reaches("watch")
			s.kill("kube-controller-manager")
			s.kill("kube-scheduler")
		},
	},
	{
		name: "a kubelet that is killed", second: slowly,
		during: func(s *site, p *process) {
			p.reaches("watch")
			s.awaits("a new pod", isNew)
			s.kill("kubelet")
		},
	},
	{
		name: "a node under pressure for a while",
		during: func(s *site, _ *process) {
			s.awaits("a pod that finds no node", unschedulable)
			time.Sleep(10 * time.Second) // this is what the scenario is about
			s.taint(`[]`)
		},
		between: func(s *site) {
			s.taint(`[{"key":"example.com/pressure","effect":"NoSchedule"}]`)
			s.atEnd(func(ctx context.Context) error { return s.taintNodes(ctx, `[]`) })
		},
	},
}

func TestAHealthyReleaseOnATroubledClusterIsNotRolledBack(t *testing.T) {
	for i, c := range disturbed {
		t.Run(c.name, func(t *testing.T) { c.run(t, result.Healthy, 100+i) })
	}
}

// TestAnAPIServerThatIsKilledDuringApplyIsNoReasonToRollBack allows the deploy to
// say that it could not tell: the answer to a request may be lost. Then the same
// command again ends well.
func TestAnAPIServerThatIsKilledDuringApplyIsNoReasonToRollBack(t *testing.T) {
	const name = "an API server that is killed while the objects are applied"
	r := &result.Result{Group: result.Healthy, Name: name, Order: 100 + len(disturbed)}
	report(t, r)
	s := scenario{name: name}.prepare(t)
	p := s.deploy(2, slowly)
	require.True(t, p.reaches("apply"))
	s.kill("kube-apiserver")
	o := p.recorded()
	r.Exit, r.Verdict, r.Seconds = o.exit, string(o.record.Verdict), o.seconds
	require.Contains(t, []int{0, 3}, o.exit)
	require.Nil(t, o.phase("rolling-back"), "a healthy release was rolled back")
	if o.exit == 3 {
		s.until("the API server", func() bool { _, err := s.kube.Discovery().ServerVersion(); return err == nil })
		again := s.deploy(2, slowly).recorded()
		r.End = fmt.Sprintf("the same command again: exit %d after %.1f s", again.exit, again.seconds)
		require.Zero(t, again.exit)
	}
	s.provenGood()
	s.serves(2)
}

func unschedulable(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable
	})
}

// taint gives every node these taints in place of its own.
func (s *site) taint(taints string) {
	s.t.Helper()
	require.NoError(s.t, s.taintNodes(s.ctx, taints))
}

func (s *site) taintNodes(ctx context.Context, taints string) error {
	return s.patchNodes(ctx, `{"spec":{"taints":`+taints+`}}`)
}

// patchNodes merges JSON into every node.
func (s *site) patchNodes(ctx context.Context, patch string, subresources ...string) error {
	nodes, err := s.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		if _, err := s.kube.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, subresources...); err != nil {
			return err
		}
	}
	return nil
}
