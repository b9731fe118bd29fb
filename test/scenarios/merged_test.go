package scenarios

import (
	"fmt"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// ofMerges are patches that come out otherwise than the chart says: lists whose items share a
// merge key, and fields of which the API server takes one of several only.
var ofMerges = []reported{
	{
		name: "a probe that somebody gave another kind by hand", source: "helm/helm#9051", beside: true,
		steps: []step{
			{},
			{before: []deed{edits("deployments.apps/app", `readinessProbe: {httpGet: null, exec: {command: ["true"]}}`)}, values: setting("a"), words: []string{"release/changed-by-hand"}, serves: 2,
				after: []deed{isGood, has("deployments.apps/app", `{.spec.template.spec.containers[0].readinessProbe.httpGet.path}{.spec.template.spec.containers[0].readinessProbe.exec}`, "/ready")}},
		},
	},
	{
		name: "a variable that somebody gave a source by hand", source: "kubernetes/kubernetes#46861", beside: true,
		steps: []step{
			{values: setting("a")},
			{before: []deed{edits("deployments.apps/app", `env: [{name: A, value: null, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]`)}, values: setting("a"), words: []string{"release/changed-by-hand"}, serves: 2,
				after: []deed{isGood, has("deployments.apps/app", `{.spec.template.spec.containers[0].env[0].value}{.spec.template.spec.containers[0].env[0].valueFrom}`, "a")}},
		},
	},
	{
		name: "a variable that the chart gives a source, and a value again", source: "helm/helm#8994", beside: true,
		steps: []step{
			{values: setting("a")},
			{values: `container: {env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}`, serves: 2, after: []deed{isGood}},
			{values: setting("a") + "\n" + crash, exits: rolledBack, serves: 2, after: []deed{has("deployments.apps/app", `{.spec.template.spec.containers[0].env[0].value}`, "")}},
			{values: setting("b"), serves: 4, after: []deed{isGood, has("deployments.apps/app", `{.spec.template.spec.containers[0].env[0].value}{.spec.template.spec.containers[0].env[0].valueFrom}`, "b")}},
		},
	},
	{
		name: "what somebody added by hand, and the chart has since", source: "helm/helm#9051", beside: true,
		steps: []step{
			{},
			{before: []deed{edits("deployments.apps/app", `livenessProbe: {exec: {command: ["true"]}}, env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]`)},
				values: `container: {env: [{name: A, value: a}], livenessProbe: {httpGet: {path: /ready, port: http}}}`, words: []string{"release/changed-by-hand"}, serves: 2,
				after: []deed{isGood, has("deployments.apps/app", `{.spec.template.spec.containers[0].livenessProbe.exec}{.spec.template.spec.containers[0].env[0].value}`, "a")}},
		},
	},
	{
		name: "a volume and a strategy that somebody changed by hand", source: "helm/helm#12631", beside: true,
		steps: []step{
			{values: scratch},
			{before: []deed{patchesPods("deployments.apps/app", `{spec: {strategy: {type: Recreate, rollingUpdate: null}, template: {spec: {volumes: [{name: scratch, emptyDir: null, configMap: {name: kube-root-ca.crt}}]}}}}`)}, values: scratch,
				words: []string{"release/changed-by-hand"}, serves: 2, after: []deed{isGood, has("deployments.apps/app", `{.spec.strategy.type} {.spec.strategy.rollingUpdate.maxSurge} {.spec.template.spec.volumes[0].configMap}`, "RollingUpdate 1 ")}},
		},
	},
	{
		name: "a budget that somebody gave another number by hand", source: "helm/helm#9051", beside: true,
		steps: []step{
			{values: atLeastOne},
			{before: []deed{patches("poddisruptionbudgets.policy/app", `{"spec":{"minAvailable":null,"maxUnavailable":1}}`)}, values: atLeastOne, words: []string{"release/changed-by-hand"}, serves: 2,
				after: []deed{isGood, has("poddisruptionbudgets.policy/app", `{.spec.minAvailable}{.spec.maxUnavailable}`, "1")}},
		},
	},
	{
		name: "a Deployment that kubectl made with another kind of probe", source: "helm/helm#9051", beside: true,
		steps: []step{{before: []deed{creates(madeByKubectl), adopts("deployments.apps/app")}, serves: 1,
			after: []deed{isGood, has("deployments.apps/app", `{.spec.template.spec.containers[0].readinessProbe.tcpSocket}`, "")}}},
	},
	{
		name: "names of hosts under one address twice", source: "kubernetes/kubernetes#91670", beside: true,
		steps: []step{
			{values: aliases("a")},
			{values: aliases("a", "b"), serves: 2, after: []deed{isGood, has("deployments.apps/app", hostnames, "a b ")}},
			{values: aliases("b"), serves: 3, after: []deed{isGood, has("deployments.apps/app", hostnames, "b ")}},
			{values: aliases("b", "c") + "\n" + crash, exits: rolledBack, serves: 3, after: []deed{has("deployments.apps/app", hostnames, "b ")}},
		},
	},
	{
		name: "another port of the container behind one of the node", source: "helm/helm#11486", beside: true,
		steps: []step{
			{values: onNodePort(9990, 31898)},
			{values: onNodePort(9991, 31898), serves: 2, after: []deed{isGood, has("deployments.apps/app", `{.spec.template.spec.containers[0].ports[*].containerPort}`, "8080 9991")}},
		},
	},
	{
		name: "two spreads over one topology", source: "kyverno/kyverno#10655", beside: true,
		steps: []step{
			{values: spread("DoNotSchedule")},
			{values: spread("DoNotSchedule", "ScheduleAnyway"), serves: 2, after: []deed{isGood, has("deployments.apps/app", spreads, "DoNotSchedule ScheduleAnyway")}},
			{values: spread("ScheduleAnyway"), serves: 3, after: []deed{isGood, has("deployments.apps/app", spreads, "ScheduleAnyway")}},
		},
	},
	{
		name: "a Service whose chart says that its address is empty", source: "helm/helm#7956", beside: true,
		steps: []step{
			{values: `service: {clusterIP: ""}`},
			{values: `service: {clusterIP: "", sessionAffinity: ClientIP}`, serves: 2, after: []deed{isGood}},
			{values: "service: {clusterIP: \"\"}\n" + crash, exits: rolledBack, serves: 2},
			{serves: 4, after: []deed{isGood}},
		},
	},
}

const (
	hostnames = `{range .spec.template.spec.hostAliases[*]}{.hostnames[0]} {end}`
	spreads   = `{.spec.template.spec.topologySpreadConstraints[*].whenUnsatisfiable}`

	madeByKubectl = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: app}, spec: {replicas: 2, selector: {matchLabels: {app: app}}, template: {metadata: {labels: {app: app}}, spec: {terminationGracePeriodSeconds: 1,
  containers: [{name: app, image: "busybox:1.36", command: [sh, -c, "mkdir -p /tmp/www; exec httpd -f -p 8080 -h /tmp/www"], ports: [{name: http, containerPort: 8080}], readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}}]}}}}`
)

// edits merges fields into the application's container, as kubectl edit does.
func edits(id, fields string) deed {
	return patchesPods(id, `{spec: {template: {spec: {containers: [{name: app, `+fields+`}]}}}}`)
}

// patchesPods merges YAML into a workload, and waits for its two new pods.
func patchesPods(id, text string) deed {
	return func(s *site) {
		s.t.Helper()
		patch, err := yaml.YAMLToJSON([]byte(text))
		require.NoError(s.t, err)
		s.patch(id, types.StrategicMergePatchType, string(patch))
		becomes(id, "{.status.updatedReplicas}", "2")(s)
	}
}

const (
	scratch = `
spec: {replicas: 2, strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}}
pod: {volumes: [{name: scratch, emptyDir: {}}]}
container: {volumeMounts: [{name: scratch, mountPath: /scratch}]}`
	atLeastOne = `objects: [{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: app}, spec: {minAvailable: 1, selector: {matchLabels: {app: app}}}}]`
)

// setting are the values of an application with a variable.
func setting(value string) string {
	return `container: {env: [{name: A, value: "` + value + `"}]}`
}

// aliases are those of a pod's hosts, all under one address.
func aliases(names ...string) string {
	list := ""
	for _, name := range names {
		list += `{ip: 192.0.2.1, hostnames: [` + name + `]}, `
	}
	return "pod: {hostAliases: [" + list + "]}"
}

// onNodePort are the values of one pod with a port of its node beside that for requests.
func onNodePort(port, node int) string {
	return fmt.Sprintf("spec: {replicas: 1, strategy: {type: Recreate}}\ncontainer: {ports: [{name: http, containerPort: 8080}, {name: side, containerPort: %d, hostPort: %d}]}", port, node)
}

// spread are the values of pods that are spread over the nodes.
func spread(ways ...string) string {
	list := ""
	for _, way := range ways {
		list += `{maxSkew: 5, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ` + way + `, labelSelector: {matchLabels: {app: app}}}, `
	}
	return "pod: {topologySpreadConstraints: [" + list + "]}"
}
