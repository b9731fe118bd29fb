package scenarios

import (
	"context"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// ofStarting are pods that are made, or ought to be, and never come to a container's first
// instruction.
var ofStarting = []reported{
	{
		name: "a runtime that the node does not have", source: "kubernetes/minikube#5463",
		steps: []step{
			{},
			{before: []deed{creates(`{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: sc-gvisor}, handler: runsc}`)}, values: `pod: {runtimeClassName: sc-gvisor}`,
				exits: rolledBack, words: []string{"rollout/sandbox-failed", "FailedCreatePodSandBox", `"runsc"`}, serves: 1},
		},
	},
	{
		name: "a scheduling gate that stays", source: "kubernetes-sigs/kueue#9482",
		steps: []step{
			{},
			{values: `pod: {schedulingGates: [{name: example.com/admission}]}`, args: []string{"--timeout", "30s"}, exits: rolledBack, words: []string{"rollout/timeout", "SchedulingGated", "non-empty scheduling gates"}, serves: 1},
		},
	},
	{
		name: "a folder that an image volume does not have", source: "kubernetes/kubernetes#138640",
		steps: []step{
			{},
			{values: imageVolume("busybox:1.36"), exits: rolledBack, words: []string{"rollout/image-volume-failed", "container app", "no-such-folder"}, serves: 1},
		},
	},
	{
		name: "an image volume whose image no registry has", source: "kubernetes/website#46946",
		steps: []step{
			{},
			{values: imageVolume("registry/none/plugins:1"), exits: rolledBack, words: []string{"rollout/image-not-found", "container app", "none/plugins:1"}, serves: 1},
		},
	},
	{
		name: "a profile of seccomp that the node does not have", source: "rancher/rke2#8312",
		steps: []step{
			{},
			{values: `container: {securityContext: {seccompProfile: {type: Localhost, localhostProfile: profiles/unshare.json}}}`,
				exits: rolledBack, words: []string{"rollout/container-not-created", "CreateContainerError", "profiles/unshare.json"}, serves: 1},
		},
	},
	{
		name: "an image's name that is none", source: "SwissDataScienceCenter/renku#281",
		steps: []step{
			{},
			{values: `containers: [{name: side, image: "registry.example/GaRaLi/challenge:e75f5d6"}]`, exits: refused, words: []string{"preflight/image-invalid", "container side", "GaRaLi/challenge"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "a quota without room for a ReplicaSet", source: "joe-elliott/cert-exporter#205",
		steps: []step{
			{},
			{before: []deed{creates(`{apiVersion: v1, kind: ResourceQuota, metadata: {name: few}, spec: {hard: {count/replicasets.apps: "1"}}}`), becomes("resourcequotas/few", "{.status.used}", `{"count/replicasets.apps":"1"}`)},
				exits: rolledBack, words: []string{"rollout/quota-exceeded", "Deployment/app", "count/replicasets.apps"}, serves: 1},
			{values: "spec: {strategy: {type: Recreate}}", exits: rolledBack, words: []string{"rollout/quota-exceeded", "Deployment/app", "count/replicasets.apps"}, serves: 1},
		},
	},
	{
		name: "a webhook for pods that is down", source: "kserve/kserve#580",
		steps: []step{
			{},
			{before: []deed{webhook("", "pods")}, exits: rolledBack, words: []string{"rollout/webhook-unavailable", "policy.example.com"}, serves: 1},
			{before: []deed{deletes(webhookOf("pods"))}, serves: 3, after: []deed{isGood}},
		},
	},
	{
		name: "a pod of a higher priority that takes the place of a new one", source: "kubernetes/kubernetes#109714",
		steps: []step{
			{before: []deed{oneSlot, creates(`{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: sc-high}, value: 1000}`)}, values: inSlot},
			{values: inSlot + "\nscript: sleep 100000", args: []string{"--rollout-rule", "preempted=1s", "--rollback-timeout", "20s"}, during: func(s *site, p *process) {
				p.reaches("watch")
				s.awaits("a new pod on the node", func(pod *corev1.Pod) bool { return isNew(pod) && pod.Spec.NodeName != "" })
				creates(preemptor)(s)
			}, exits: human, words: []string{"rollout/preempted", "a pod of a higher priority has taken the place of Pod/app-"}},
			{command: "recover", before: []deed{deletes("pods/preemptor")}, exits: []int{0, 4}, serves: 1},
		},
	},
	{
		name: "a way back from a deadline of the Deployment's own, of one pod", source: "jordigilh/kubernaut#199",
		steps: []step{
			{values: "spec: {replicas: 1, progressDeadlineSeconds: 6}"},
			{values: "spec: {replicas: 1, progressDeadlineSeconds: 6}\nscript: trap '' TERM; sleep 100000", exits: rolledBack, words: []string{"rollout/progress-deadline", "has timed out progressing"}, serves: 1},
		},
	},
	{
		name: "a kubelet that hangs", source: "kubernetes/kubernetes#89212", alone: true,
		steps: []step{
			{},
			{values: slowly, args: []string{"--timeout", "80s", "--rollback-timeout", "10s"}, during: func(s *site, p *process) {
				p.reaches("watch")
				s.awaits("a new pod", isNew)
				hangs(s)
			}, exits: human, words: []string{"[rollout/timeout]", "NodeLost: waiting for", "does not report"}},
			{command: "recover", before: []deed{goesOn}, exits: []int{0, 4}, after: []deed{isGood}},
		},
	},
}

// imageVolume are the values of an application with a folder of an image.
func imageVolume(image string) string {
	return `pod: {volumes: [{name: plugins, image: {reference: "` + image + `"}}]}
container: {volumeMounts: [{name: plugins, mountPath: /plugins, subPath: no-such-folder}]}`
}

// inSlot are the values of an application of one pod that takes the node's slot, and preemptor
// is a pod that wants it, too.
const (
	inSlot    = "spec: {replicas: 1, strategy: {type: Recreate}}\ncontainer: {resources: {requests: null, limits: {example.com/slot: 1}}}"
	preemptor = `
apiVersion: v1
kind: Pod
metadata: {name: preemptor}
spec: {priorityClassName: sc-high, terminationGracePeriodSeconds: 1, containers: [{name: a, image: "busybox:1.36", command: [sleep, "100000"], resources: {limits: {example.com/slot: 1}}}]}`
)

// oneSlot gives each node room for one pod of a kind, however large the machine is.
func oneSlot(s *site) {
	s.t.Helper()
	set := func(ctx context.Context, count string) error {
		return s.patchNodes(ctx, `{"status":{"capacity":{"example.com/slot":`+count+`},"allocatable":{"example.com/slot":`+count+`}}}`, "status")
	}
	s.atEnd(func(ctx context.Context) error { return set(ctx, "null") })
	require.NoError(s.t, set(s.ctx, `"1"`))
}
