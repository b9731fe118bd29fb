package judge

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// https://github.com/kubernetes/kubernetes/issues/72593,
// https://github.com/kubernetes/kubernetes/issues/97541,
// https://github.com/kubernetes/kubernetes/issues/117978: dozens of pods in a minute, and the
// Deployment only waits.
func TestPodsThatTheirNodeRejects(t *testing.T) {
	some := func(n int) (all []*corev1.Pod) {
		for i := range n {
			all = append(all, rejected(fmt.Sprint(i)))
		}
		return all
	}
	for name, c := range map[string]struct {
		replicas int32
		looks    []cluster.Snapshot
		fails    bool
	}{
		"twice":                        {1, []cluster.Snapshot{fixture.Deploying(some(2)...)}, false},
		"three times":                  {1, []cluster.Snapshot{fixture.Deploying(some(3)...)}, true},
		"three, of which two are gone": {1, []cluster.Snapshot{fixture.Deploying(rejected("a")), fixture.Deploying(rejected("b")), fixture.Deploying(rejected("c"))}, true},
		"the same one in three looks":  {1, []cluster.Snapshot{fixture.Deploying(rejected("a")), fixture.Deploying(rejected("a")), fixture.Deploying(rejected("a"))}, false},
		"each of three twice, by a node that starts again": {3, []cluster.Snapshot{fixture.Deploying(some(6)...)}, false},
		"one of three for the third time":                  {3, []cluster.Snapshot{fixture.Deploying(some(7)...)}, true},
		"the one after them is ready":                      {1, []cluster.Snapshot{fixture.Deploying(some(2)...), fixture.Deploying(append(some(2), fixture.Pod("web-new", "new", true))...)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			j := New(nil)
			var v Verdict
			for i, s := range c.looks {
				s.Deployments[0].Spec.Replicas = &c.replicas
				v = j.Decide(s, fixture.Noon.Add(time.Duration(i)*time.Second))
			}
			if !c.fails {
				require.Nil(t, v.Failed)
				return
			}
			require.NotNil(t, v.Failed)
			require.Equal(t, causes.PodRejected, v.Failed.Cause.Code)
			require.Equal(t, "SysctlForbidden", v.Failed.Cause.Reason)
			require.Contains(t, v.Failed.Cause.Message, `node node-1 does not begin with it: Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted; `)
			require.Contains(t, v.Failed.Cause.Message, " pods of Deployment/web were rejected so")
		})
	}
}

// https://github.com/rancher/rancher/issues/27831: no scheduler sees such a pod, and no event tells of it.
func TestAPodOfANodeThatThereIsNotIsNamedAtTheTimeout(t *testing.T) {
	p := fixture.Pod("web-new", "new", false)
	p.Spec.NodeName, p.Status = "nothing", corev1.PodStatus{Phase: corev1.PodPending}
	j := New(nil)
	v := j.Decide(fixture.Deploying(p), fixture.Noon.Add(time.Minute))
	require.Nil(t, v.Failed)
	require.Contains(t, j.Timeout(v.Progress, time.Minute).Cause.Message, "node nothing has not begun to start it")
}
