package detect

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoNodeFitsWhereEachIsRefusedByThePodsOwnRules(t *testing.T) {
	for message, want := range map[string]bool{
		// kubernetes/kubernetes#116891
		"0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules, 3 node(s) didn't satisfy existing pods anti-affinity rules.":                                                        true,
		"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.": true,
		// kubernetes-sigs/vsphere-csi-driver#1316
		"0/6 nodes are available: 3 node(s) didn't match Pod's node affinity/selector, 3 node(s) didn't match pod affinity/anti-affinity rules, 3 node(s) didn't match pod anti-affinity rules.": false,
		"0/3 nodes are available: 2 node(s) didn't match pod topology spread constraints, 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }. preemption: none.":          true,
		"0/3 nodes are available: 2 node(s) didn't match pod anti-affinity rules, 1 Insufficient cpu. preemption: none.":                                                                         false,
		"0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.":                                             false,
		"0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}.":                                                                                                                   true,
		"0/2 nodes are available: 1 node(s) were unschedulable, 1 node(s) didn't match pod anti-affinity rules.":                                                                                 false,
		"0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: 0/1 nodes.":                                                                          true,
		"0/1 nodes are available: 1 Too many pods.": false,
		"no nodes available to schedule pods":       false,
		"0/1 nodes":                                 false,
	} {
		require.Equal(t, want, fitsNowhere(message), message)
	}
}
