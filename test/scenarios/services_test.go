package scenarios

// ofServices are Services that lead nowhere, and smoke checks that ask the wrong ones.
var ofServices = []reported{
	{
		name: "a Service whose selector fits no pod any more", source: "devops-ia/helm-opencti#258", beside: true,
		steps: []step{
			{smoke: checks, serves: 1},
			{values: `service: {selector: {component: backend}}`, exits: []int{1, 4}, words: []string{"Service/app"}, serves: 1},
		},
	},
	{
		name: "a Service's port by a name that no container has", source: "kubernetes/kubernetes#83145", beside: true,
		steps: []step{
			{},
			{values: `service: {ports: [{name: http, port: 80, targetPort: web}]}`, exits: []int{1, 4}, words: []string{"Service/app", "web"}, serves: 1},
		},
	},
	{
		name: "a Service of two ports, one of which leads nowhere any more", source: "kubernetes/kubernetes#109627", beside: true,
		steps: []step{
			{values: twoPorts + "container: {ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 8081}]}"},
			{values: twoPorts, exits: []int{1, 4}, words: []string{"Service/app", "admin"}, serves: 1},
		},
	},
	{
		// Charts often name what only an option adds, or what an operator makes.
		name: "a second Service that fits no pod, and never did", source: "helm/charts#21508", beside: true,
		steps: []step{
			{},
			{values: `objects: [{apiVersion: v1, kind: Service, metadata: {name: admin}, spec: {selector: {app: app, tier: admin}, ports: [{port: 80, targetPort: 8080}]}}]`,
				exits: []int{0, 1, 4}, told: []string{"Service/admin"}},
		},
	},
	{
		name: "a cache and a worker beside the application", source: "SigNoz/signoz#358",
		steps: []step{
			{smoke: checks},
			{values: "objects:\n" + worker, serves: 2, after: []deed{isGood}},
			{values: cacheAndWorker, serves: 3, after: []deed{isGood}},
		},
	},
	{
		name: "a Service for metrics beside the main one", source: "helm/charts#21514",
		steps: []step{
			{smoke: checks},
			{values: metrics, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "an application that is a StatefulSet, with a wrong page", source: "helm/charts#13015", beside: true,
		steps: []step{
			{smoke: checks, values: `kind: StatefulSet`, serves: 1, after: []deed{isGood}},
			{values: "kind: StatefulSet\nscript: echo maintenance > $www/index.html; exec httpd -f -p 8080 -h $www", exits: rolledBack, words: []string{"page", "maintenance"}, serves: 1},
		},
	},
	{
		name: "no replicas on purpose, with smoke checks", source: "stakater/Reloader#813", beside: true,
		steps: []step{
			{smoke: checks},
			{values: `spec: {replicas: 0}`, after: []deed{isNotBad, isNotGood, has("deployments.apps/app", "{.spec.replicas}", "0")}},
			{values: crash, exits: rolledBack, serves: 1},
		},
	},
	{
		name: "TCP and UDP of one port", source: "helm/helm#7137", beside: true,
		steps: []step{
			{values: dns("")},
			{values: dns(", {name: udp, protocol: UDP, port: 80, targetPort: 8080}"), after: []deed{has("services/dns", "{.spec.ports[*].protocol}", "TCP UDP")}},
			{values: dns("") + "\n" + crash, exits: rolledBack, serves: 2, after: []deed{has("services/dns", "{.spec.ports[*].protocol}", "TCP UDP")}},
		},
	},
}

const worker = `
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: worker}
  spec:
    selector: {matchLabels: {app: worker}}
    template:
      metadata: {labels: {app: worker}}
      spec: {terminationGracePeriodSeconds: 1, containers: [{name: worker, image: "busybox:1.36", command: [sleep, "100000"]}]}`

const cacheAndWorker = `
objects:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: cache}
  spec:
    selector: {matchLabels: {app: cache}}
    template:
      metadata: {labels: {app: cache}}
      spec: {terminationGracePeriodSeconds: 1, containers: [{name: cache, image: "busybox:1.36", command: [sh, -c, "mkdir /c; exec httpd -f -p 6379 -h /c"], ports: [{containerPort: 6379}],
        readinessProbe: {tcpSocket: {port: 6379}, periodSeconds: 1}}]}
- {apiVersion: v1, kind: Service, metadata: {name: cache}, spec: {selector: {app: cache}, ports: [{port: 6379}]}}` + worker

const metrics = `
container: {ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9464}]}
script: mkdir -p /tmp/m; echo 'up 1' > /tmp/m/metrics; httpd -p 9464 -h /tmp/m; exec httpd -f -p 8080 -h $www
objects: [{apiVersion: v1, kind: Service, metadata: {name: app-metrics}, spec: {selector: {app: app}, ports: [{name: metrics, port: 9464, targetPort: metrics}]}}]`

const twoPorts = "service: {ports: [{name: http, port: 80, targetPort: http}, {name: admin, port: 81, targetPort: admin}]}\n"

func dns(more string) string {
	return `objects: [{apiVersion: v1, kind: Service, metadata: {name: dns}, spec: {selector: {app: app}, ports: [{name: tcp, port: 80, targetPort: 8080}` + more + `]}}]`
}
