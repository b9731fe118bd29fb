package scenarios

import (
	"fmt"
	"strings"
)

// ofWorkloads are kinds of workloads, and what Kubernetes makes of their fields.
var ofWorkloads = []reported{
	{
		name: "a Deployment in a List", beside: true,
		steps: []step{
			{},
			{values: "objects: [{apiVersion: v1, kind: List, items: [" + crashing("Deployment") + "]}]", exits: rolledBack, words: []string{"no config"}, serves: 1,
				after: []deed{gone("deployments.apps/api")}},
		},
	},
	{
		name: "a bare Pod that crashes", source: "helm/helm#12861", beside: true,
		steps: []step{
			{},
			{values: `objects: [{apiVersion: v1, kind: Pod, metadata: {name: api, labels: {part: api}}, spec: ` + crashingPod + `}]`, exits: rolledBack, words: []string{"Pod/api", "no config"}, serves: 1,
				after: []deed{gone("pods/api")}},
		},
	},
	{
		name: "a ReplicaSet that crashes", source: "helm/helm#5961", beside: true,
		steps: []step{
			{},
			{values: "objects: [" + crashing("ReplicaSet") + "]", exits: rolledBack, words: []string{"no config"}, serves: 1, after: []deed{gone("replicasets.apps/api")}},
		},
	},
	{
		name: "a ReplicationController that crashes", source: "helm/helm#7693", beside: true,
		steps: []step{
			{},
			{values: "objects: [{apiVersion: v1, kind: ReplicationController, metadata: {name: api}, spec: {selector: {part: api}, template: {metadata: {labels: {part: api}}, spec: " + crashingPod + "}}}]",
				exits: rolledBack, words: []string{"no config"}, serves: 1, after: []deed{gone("replicationcontrollers/api")}},
		},
	},
	{
		name: "a bare Pod that does its work and ends", source: "helm/helm#9959", beside: true,
		steps: []step{
			{},
			{values: `objects: [{apiVersion: v1, kind: Pod, metadata: {name: once}, spec: {restartPolicy: Never, containers: [{name: once, image: "busybox:1.36", command: [sh, -c, "sleep 3"]}]}}]`, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a DaemonSet whose new image does not exist", source: "confidential-containers/cloud-api-adaptor#2790", beside: true,
		steps: []step{
			{values: "kind: DaemonSet\nspec: {replicas: null}"},
			{values: "kind: DaemonSet\nspec: {replicas: null}\ncontainers: [{name: agent, image: \"busybox:9.99\"}]", exits: rolledBack, words: []string{"busybox:9.99", "not found"}, serves: 1},
		},
	},
	{
		name: "a Deployment of one pod that may be away", source: "helm/helm#10845", beside: true,
		steps: []step{
			{values: oneMayBeAway, serves: 1},
			{values: oneMayBeAway + "\n" + crash, exits: rolledBack, words: []string{"cannot open the database"}, serves: 1},
		},
	},
	{
		name: "a Deployment with another name", source: "helm/helm#4090", beside: true,
		steps: []step{
			{},
			{values: "name: portal\n" + crash, exits: []int{1, 4}, words: []string{"Deployment/app"}, serves: 1, after: []deed{there("deployments.apps/app"), gone("deployments.apps/portal")}},
		},
	},
	{
		name: "a StatefulSet in parts, by hand and from a later ordinal", source: "kubernetes/enhancements#3335",
		steps: []step{
			{values: stateful(`replicas: 3, podManagementPolicy: Parallel, updateStrategy: {rollingUpdate: {partition: 2}}`)},
			{values: stateful(`replicas: 3, podManagementPolicy: Parallel, updateStrategy: {rollingUpdate: {partition: 2}}`), after: []deed{isGood}},
			{values: stateful(`replicas: 3, podManagementPolicy: Parallel, updateStrategy: {type: OnDelete}`), after: []deed{isGood}},
			{values: stateful(`replicas: 3, podManagementPolicy: Parallel, ordinals: {start: 5}, updateStrategy: {rollingUpdate: {partition: 0}}`), serves: 4},
			{values: stateful(`replicas: 3, podManagementPolicy: Parallel, ordinals: {start: 5}, updateStrategy: {rollingUpdate: {partition: 1}}`) + "\n" + crash,
				exits: rolledBack, words: []string{"Pod/app-7", "cannot open the database"}, serves: 4},
		},
	},
	{
		name: "a StatefulSet that names a Service which the chart does not have", source: "sonatype/nxrm3-ha-repository#51",
		steps: []step{{values: "kind: StatefulSet\nserviceName: nothing", serves: 1, after: []deed{isGood}}},
	},
	{
		name: "a StatefulSet that changes its Service's name", source: "openobserve/openobserve-helm-chart#68", beside: true,
		steps: []step{
			{values: "kind: StatefulSet"},
			{values: "kind: StatefulSet\nserviceName: other", exits: refused, words: []string{"StatefulSet/app"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "a StatefulSet whose claims carry the chart's version", source: "groundhog2k/helm-charts#191", beside: true,
		steps: []step{
			{values: labelled("1")},
			{values: labelled("2"), exits: refused, words: []string{"StatefulSet/app", "volumeClaimTemplates"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "native sidecars, a disruption budget and a CronJob's pods", source: "RedHatInsights/clowder#1783",
		steps: []step{
			{values: odd(1, "")},
			{values: odd(2, ""), after: []deed{isGood, twoReady}},
			{values: odd(3, "") + "\n" + crash, exits: rolledBack, words: []string{"cannot open the database"}, after: []deed{twoReady}},
			{values: odd(4, "echo no upstream >&2; exit 1;"), exits: rolledBack, words: []string{"container proxy", "no upstream"}, after: []deed{twoReady}},
		},
	},
	{
		name: "a variable twice in the environment", source: "helm/helm#12643",
		steps: []step{
			{values: twice},
			{values: `container: {env: [{name: A, value: "1"}, {name: B, value: "2"}]}`, after: []deed{has("deployments.apps/app", environment, "A=1 B=2 ")}},
			{values: twice + "\n" + crash, exits: rolledBack, after: []deed{has("deployments.apps/app", environment, "A=1 B=2 ")}},
		},
	},
	{
		name: "an autoscaler that comes, fails and goes", source: "helm/helm#12486",
		steps: []step{
			{},
			{values: autoscaled + "\n" + crash, exits: rolledBack, serves: 1, after: []deed{gone("horizontalpodautoscalers.autoscaling/app"), becomes("deployments.apps/app", "{.spec.replicas}", "2")}},
			{values: autoscaled, after: []deed{becomes("deployments.apps/app", "{.spec.replicas}", "3")}},
			{values: autoscaled, serves: 4, after: []deed{has("deployments.apps/app", "{.spec.replicas}", "3")}},
			{serves: 5, after: []deed{becomes("deployments.apps/app", "{.spec.replicas}", "2"), gone("horizontalpodautoscalers.autoscaling/app")}},
		},
	},
	{
		name: "a port of the node that the old pod still has", source: "rancher/fleet#792", beside: true,
		steps: []step{
			{values: onNode},
			{values: onNode, args: []string{"--rollout-rule", "unschedulable=10s"}, exits: []int{1, 4}, words: []string{"port"}, serves: 1},
		},
	},
	{
		name: "a PriorityClass that does not exist", source: "alphagov/gsp#843", beside: true,
		steps: []step{
			{},
			{values: `pod: {priorityClassName: critical}`, exits: []int{1, 4}, words: []string{"critical"}, serves: 1},
		},
	},
	{
		name: "many kinds of objects that change and go back", source: "helm/helm#13346",
		steps: []step{
			{values: sink(1)},
			{args: []string{"--dry-run"}, values: sink(1)},
			{values: sink(2) + "\n" + crash, exits: rolledBack, words: []string{"cannot open the database"}, serves: 1},
			{values: sink(1), serves: 4, after: []deed{isGood}},
		},
	},
}

const crashingPod = `{terminationGracePeriodSeconds: 1, containers: [{name: api, image: "busybox:1.36", command: [sh, -c, "echo no config >&2; exit 1"]}]}`

// crashing is a workload of apps/v1 whose pods crash.
func crashing(kind string) string {
	return `{apiVersion: apps/v1, kind: ` + kind + `, metadata: {name: api}, spec: {selector: {matchLabels: {part: api}}, template: {metadata: {labels: {part: api}}, spec: ` + crashingPod + `}}}`
}

const (
	oneMayBeAway = `spec: {replicas: 1, strategy: {rollingUpdate: {maxUnavailable: 1, maxSurge: 0}}}`
	twice        = `container: {env: [{name: A, value: "1"}, {name: B, value: "2"}, {name: A, value: "3"}]}`
	environment  = `{range .spec.template.spec.containers[0].env[*]}{.name}={.value} {end}`
	onNode       = "spec: {replicas: 1}\ncontainer: {ports: [{name: http, containerPort: 8080, hostPort: 31899}]}"
	autoscaled   = `objects: [{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: app}, spec: {minReplicas: 3, maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: app}, metrics: [
  {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]}}]`
)

func stateful(spec string) string { return "kind: StatefulSet\nspec: {" + spec + "}" }

// labelled are the values of a StatefulSet whose claims have a label.
func labelled(version string) string {
	return stateful(`replicas: 1, volumeClaimTemplates: [{metadata: {name: data, labels: {version: "`+version+`"}}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}]`) + `
container: {volumeMounts: [{name: data, mountPath: /data}]}`
}

// twoReady takes the place of a look at the Service where the pods of a CronJob are
// among its endpoints, too.
var twoReady = becomes("deployments.apps/app", "{.status.readyReplicas}{.status.updatedReplicas}", "22")

// odd are values with much that charts have seldom; the sidecar begins with a script.
func odd(version int, sidecar string) string {
	return strings.NewReplacer("VERSION", fmt.Sprint(version), "SIDECAR", sidecar).Replace(`
spec: {replicas: 2, revisionHistoryLimit: 0, minReadySeconds: 2, strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}}
pod:
  topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: app}}}]
  initContainers: [{name: proxy, image: "busybox:1.36", restartPolicy: Always, command: [sh, -c, "SIDECAR mkdir /p; exec httpd -f -p 9999 -h /p"], startupProbe: {tcpSocket: {port: 9999}, periodSeconds: 1}}]
  volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: t, audience: x, expirationSeconds: 3600}}]}}]
container: {volumeMounts: [{name: token, mountPath: /t}]}
objects:
- {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: app}, spec: {minAvailable: 2, selector: {matchLabels: {app: app}}}}
- {apiVersion: batch/v1, kind: CronJob, metadata: {name: tick}, spec: {schedule: "* * * * *", jobTemplate: {spec: {backoffLimit: 0, template: {metadata: {labels: {app: app}}, spec: {restartPolicy: Never, containers: [
    {name: tick, image: "busybox:1.36", command: [sh, -c, "sleep 10; exit 1"]}]}}}}}}
- {apiVersion: batch/v1, kind: Job, metadata: {name: seed-VERSION}, spec: {template: {spec: {restartPolicy: Never, terminationGracePeriodSeconds: 1, containers: [{name: seed, image: "busybox:1.36", command: ["true"]}],
    initContainers: [{name: side, image: "busybox:1.36", restartPolicy: Always, command: [sleep, "10000"]}]}}}}`)
}

// sink are values with many kinds of objects, whose fields the API server writes in
// other ways than the chart.
func sink(version int) string {
	return strings.NewReplacer("VERSION", fmt.Sprint(version), "CPU", []string{"", "100m", "0.25"}[version]).Replace(`
container: {env: [{name: NUMBER, value: "VERSION"}, {name: LIMIT, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}], resources: {limits: {cpu: CPU, memory: 0.125Gi}}}
pod: {securityContext: {}, tolerations: [{key: a, operator: Exists}], volumes: [{name: empty, emptyDir: {sizeLimit: 1024Ki}}]}
objects:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: the-c, annotations: {v: "VERSION"}}, data: {vVERSION: "1", same: ""}, binaryData: {b: AAE=}}
- {apiVersion: v1, kind: Secret, metadata: {name: the-s}, type: Opaque, stringData: {vVERSION: "x"}, data: {b: AAE=}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: the-sa}, automountServiceAccountToken: false}
- {apiVersion: v1, kind: LimitRange, metadata: {name: the-l}, spec: {limits: [{type: Container, default: {cpu: CPU}, defaultRequest: {cpu: 5m}}]}}
- {apiVersion: v1, kind: Service, metadata: {name: the-headless}, spec: {clusterIP: None, selector: {app: app}, ports: [{port: 8080}]}}
- {apiVersion: v1, kind: Service, metadata: {name: the-external}, spec: {type: ExternalName, externalName: vVERSION.example.com}}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: the-r}, rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, list], resourceNames: [vVERSION]}]}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: the-r}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: the-r}, subjects: [{kind: ServiceAccount, name: the-sa}]}
- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: the-n}, spec: {podSelector: {matchLabels: {part: vVERSION}}, policyTypes: [Ingress], ingress: [{}]}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: the-i}, spec: {rules: [{host: vVERSION.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {name: http}}}}]}}]}}
- {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: the-p}, spec: {maxUnavailable: VERSION, selector: {matchLabels: {app: app}}}}
- {apiVersion: batch/v1, kind: CronJob, metadata: {name: the-j}, spec: {schedule: "VERSION 3 * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: "busybox:1.36"}]}}}}}}`)
}
