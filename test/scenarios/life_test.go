package scenarios

import (
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// watched leaves the watch after the last pod is ready as long as it is by itself.
var watched = []string{"--soak", "auto"}

// ofLife are pods that are ready and die, and such that only wait for something.
var ofLife = []reported{
	{
		name: "a liveness probe that can never pass, of a pod that is ready", source: "sockudo/sockudo#273", beside: true,
		steps: []step{
			{args: watched, serves: 1},
			{values: `container: {livenessProbe: {httpGet: {path: /live, port: http}, periodSeconds: 4, failureThreshold: 3}}`, args: watched,
				exits: rolledBack, words: []string{"container app", "iveness probe", "404"}, serves: 1},
		},
	},
	{
		name: "a process that ends four seconds after it was ready", source: "oblien/openship#335", beside: true,
		steps: []step{
			{},
			{values: `script: "httpd -p 8080 -h $www; sleep 5; echo lost the lease >&2; exit 1"`, args: watched, exits: rolledBack, words: []string{"container app", "lost the lease"}, serves: 1},
		},
	},
	{
		name: "a sidecar that crashes after everything was ready", source: "shopware/shopware-operator#196", beside: true,
		steps: []step{
			{},
			{values: `containers: [{name: proxy, image: "busybox:1.36", command: [sh, -c, "sleep 6; echo upstream is gone >&2; exit 1"]}]`, args: watched,
				exits: rolledBack, words: []string{"container proxy", "upstream is gone"}, serves: 1},
		},
	},
	{
		name: "an init container that crashes", source: "llm-d/llm-d-benchmark#539", beside: true,
		steps: []step{
			{},
			{values: `pod: {initContainers: [{name: migrate, image: "busybox:1.36", command: [sh, -c, "echo no such schema >&2; exit 1"]}]}`, exits: rolledBack, words: []string{"container migrate", "no such schema"}, serves: 1},
		},
	},
	{
		name: "a probe that asks a port which its container does not have", source: "jacksontj/promxy#372", beside: true,
		steps: []step{
			{},
			{values: `container: {readinessProbe: {httpGet: {path: /ready, port: web}}}`, exits: refused, words: []string{"container app", "readiness probe", `"web"`}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "a sysctl that no node allows", source: "kubernetes/kubernetes#72593", beside: true,
		steps: []step{
			{},
			{values: `pod: {securityContext: {sysctls: [{name: kernel.msgmax, value: "65536"}]}}`, exits: rolledBack, words: []string{"SysctlForbidden", "kernel.msgmax", "pods of Deployment/app were rejected so"}, serves: 1},
		},
	},
	{
		name: "a node that is not there, by its name", source: "rancher/rancher#27831", beside: true,
		steps: []step{
			{},
			{values: `pod: {nodeName: nothing}`, exits: refused, words: []string{"Deployment/app", "nothing"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "a template of a resource claim that is not there", source: "kubernetes/kubernetes#129362",
		steps: []step{
			{},
			{values: "pod: {resourceClaims: [{name: gpu, resourceClaimTemplateName: nothing}]}\ncontainer: {resources: {claims: [{name: gpu}]}}", exits: rolledBack, words: []string{"FailedResourceClaimCreation", "not found"}, serves: 1},
		},
	},
	{
		name: "a Secret that comes while the kubelet waits for its next try", source: "external-secrets/kubernetes-external-secrets#154",
		steps: []step{
			{},
			{values: passwordFrom("late"), during: late("CreateContainerConfigError", 14*time.Second, creates(`{apiVersion: v1, kind: Secret, metadata: {name: late}, stringData: {PASSWORD: late-password}}`)), serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a ServiceAccount that comes late", source: "external-secrets/kubernetes-external-secrets#154",
		steps: []step{
			{},
			{values: `pod: {serviceAccountName: late}`, during: func(s *site, p *process) {
				p.reaches("watch")
				time.Sleep(20 * time.Second) // this is what the scenario is about
				creates(`{apiVersion: v1, kind: ServiceAccount, metadata: {name: late}}`)(s)
			}, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a ConfigMap for a volume that comes while the kubelet waits for its next try", source: "helm/charts#14014",
		steps: []step{
			{},
			{values: "pod: {volumes: [{name: settings, configMap: {name: late}}]}\ncontainer: {volumeMounts: [{name: settings, mountPath: /settings}]}",
				during: late("ContainerCreating", 20*time.Second, creates(`{apiVersion: v1, kind: ConfigMap, metadata: {name: late}, data: {a: "1"}}`)), serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a Job that fails and is gone at once", source: "helm/helm#30533", beside: true,
		steps: []step{
			{},
			{values: job("import", "backoffLimit: 0, ttlSecondsAfterFinished: 0,", "sleep 3; echo line 7 is no date >&2; exit 1"), exits: rolledBack, words: []string{"Job/import"}, serves: 1},
		},
	},
	{
		name: "a first install whose liveness probe kills", source: "codeamp/circuit#494",
		steps: []step{{values: `container: {livenessProbe: {tcpSocket: {port: 9999}, periodSeconds: 3, failureThreshold: 2}}`, args: watched, exits: human, words: []string{"container app", "iveness probe"}}},
	},
}

// late does something some time after a new pod began to wait.
func late(reason string, after time.Duration, do deed) func(*site, *process) {
	return func(s *site, _ *process) {
		s.t.Helper()
		pod := s.awaits("a new pod that waits", func(p *corev1.Pod) bool { return isNew(p) && waits(p, reason) })
		time.Sleep(after) // this is what the scenario is about
		do(s)
		_, err := s.kube.CoreV1().Pods(s.namespace).Get(s.ctx, pod.Name, metav1.GetOptions{})
		require.NoError(s.t, err, "the pod was not waited for")
	}
}
