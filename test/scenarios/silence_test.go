package scenarios

import (
	"net/http"
	"strings"
)

// ofSilence are faults that nothing in the cluster calls one, and such that nobody waits for.
var ofSilence = []reported{
	{
		name: "a readiness probe of a program that the image does not have", source: "kgateway-dev/kgateway#8749", beside: true,
		steps: []step{
			{},
			{values: probed("readinessProbe"), exits: rolledBack, words: []string{"rollout/probe-not-runnable", "container app", "readiness probe cannot be run", `"curl"`}, serves: 1},
		},
	},
	{
		name: "a liveness probe of a program that the image does not have", source: "kgateway-dev/kgateway#8749", beside: true,
		steps: []step{
			{},
			{values: probed("livenessProbe"), args: watched, words: []string{"deploy/not-proven", "container app", "liveness probe cannot be run", `"curl"`}, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a budget and a policy that protect no pod", source: "bitnami/charts#34544, opensearch-project/helm-charts#287", beside: true,
		steps: []step{
			{},
			{values: `objects: [` + protecting("policy/v1", "PodDisruptionBudget", "right", "maxUnavailable: 1, selector", "app") + `, ` + protecting("policy/v1", "PodDisruptionBudget", "wrong", "maxUnavailable: 1, selector", "shop") + `, ` +
				protecting("networking.k8s.io/v1", "NetworkPolicy", "wrong", "podSelector", "shop") + `]`,
				words: []string{"PodDisruptionBudget/wrong protects nothing", "NetworkPolicy/wrong protects nothing", "app=shop", "deploy/not-proven"}, lies: []string{"PodDisruptionBudget/right"}, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a custom resource that is not ready", source: "openchoreo/openchoreo#4336",
		steps: []step{
			{before: []deed{defines("Gate")}},
			{values: strings.TrimSuffix(custom("Gate"), "}]") + `, status: {conditions: [{type: Ready, status: "False", reason: NoAddress, message: nobody answers}]}}]`,
				words: []string{"deploy/not-proven", "Gate." + apiGroup + "/mine: it is not ready (Ready=False: NoAddress: nobody answers)"}, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a scheduler that does not run", source: "kubernetes/website#14056", beside: true,
		steps: []step{
			{},
			{values: `pod: {schedulerName: volcano}`, exits: rolledBack, words: []string{"rollout/no-scheduler", "schedulerName is volcano"}, serves: 1},
		},
	},
	{
		name: "a Deployment that is a hook, and crashes", source: "helm/helm#11512", beside: true,
		steps: []step{
			{},
			{values: `objects: [` + plain("cache", "helm.sh/hook: pre-upgrade", "echo no licence >&2; exit 1") + `]`, exits: rolledBack, words: []string{"rollout/crash-loop", "Pod/cache-", "no licence"}, serves: 1},
		},
	},
	{
		name: "a worker without a probe that ends well again and again", beside: true,
		steps: []step{
			{},
			{values: `objects: [` + plain("worker", "", "echo nothing to do") + `]`, exits: rolledBack, words: []string{"rollout/crash-loop", "Pod/worker-", "code 0 (Completed)"}, serves: 1},
		},
	},
	{
		name: "an autoscaler by the share of what nobody asks for", source: "kubernetes/kubernetes#79365", beside: true,
		steps: []step{
			{},
			{values: `
container: {resources: null}
objects: [{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: app}, spec: {minReplicas: 1, maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: app},
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]}}]`,
				words: []string{"preflight/no-request", "HorizontalPodAutoscaler/app", "container app asks for none"}, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a claim of a class that is not there, of a CronJob", source: "helm/helm#10733", beside: true,
		steps: []step{
			{},
			{values: `
objects:
- {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: backup}, spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}
- {apiVersion: batch/v1, kind: CronJob, metadata: {name: backup}, spec: {schedule: "0 3 * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, volumes: [{name: d, persistentVolumeClaim: {claimName: backup}}],
    containers: [{name: b, image: "busybox:1.36", command: ["true"], volumeMounts: [{name: d, mountPath: /d}]}]}}}}}}`,
				words: []string{"preflight/reference", "PersistentVolumeClaim/backup", "StorageClass/fast"}, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a certificate of an Ingress that nobody has made", source: "kubernetes/ingress-nginx#13285", beside: true,
		steps: []step{
			{},
			{values: `
objects: [{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: app}, spec: {tls: [{hosts: [portal.example.com], secretName: portal-tls}],
  rules: [{host: portal.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}}]`,
				words: []string{"preflight/leads-nowhere", "Ingress/app", "Secret/portal-tls"}, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a load balancer that gives no address", source: "helm/helm#7513", beside: true,
		steps: []step{
			{},
			{values: `service: {type: LoadBalancer}`, args: watched, words: []string{"deploy/not-proven", "Service/app is of type LoadBalancer and has no address"}, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a postStart hook that hangs", source: "kubernetes/kubernetes#30042",
		steps: []step{
			{},
			{values: `container: {lifecycle: {postStart: {exec: {command: [sleep, "600"]}}}}`, args: []string{"--timeout", "60s"},
				exits: rolledBack, words: []string{"rollout/timeout", "container app", "its postStart hook has not ended"}, serves: 1},
		},
	},
	{
		name: "a readiness probe that asks when the time is over", source: "helm/charts#22331", beside: true,
		steps: []step{
			{},
			{values: `container: {readinessProbe: {initialDelaySeconds: 600}}`, args: []string{"--timeout", "60s"},
				exits: rolledBack, words: []string{"rollout/timeout", "container app", "asks for the first time 600s after the start", "preflight/budget"}, serves: 1},
		},
	},
	{
		name: "a pull secret that is not there", source: "aquasecurity/aqua-helm#255",
		steps: []step{
			{},
			{before: []deed{denies("denied.test")}, values: `
pod: {imagePullSecrets: [{name: registry-login}]}
containers: [{name: side, image: "denied.test/private/app:1"}]`, exits: rolledBack, words: []string{"rollout/image-pull-denied", "container side", "401", "not in its namespace: registry-login"}, serves: 1},
		},
	},
}

// probed are the values of an application with a probe of a program that it lacks.
func probed(probe string) string {
	return `container: {` + probe + `: {httpGet: null, exec: {command: [curl, -f, "http://localhost:8080"]}, periodSeconds: 3}}`
}

// plain is a Deployment of one pod without a probe, which runs a script.
func plain(name, annotations, script string) string {
	return `{apiVersion: apps/v1, kind: Deployment, metadata: {name: ` + name + `, annotations: {` + annotations + `}}, spec: {replicas: 1, selector: {matchLabels: {app: ` + name + `}}, template: {metadata: {labels: {app: ` + name + `}},
  spec: {terminationGracePeriodSeconds: 1, containers: [{name: ` + name + `, image: "busybox:1.36", command: [sh, -c, "` + script + `"]}]}}}}`
}

// denies puts a registry there that lets nobody in.
func denies(host string) deed {
	return func(s *site) {
		s.t.Helper()
		s.registryAt(host, func(string) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			})
		})
	}
}

// protecting is an object that is for the pods with a label.
func protecting(version, kind, name, field, label string) string {
	return `{apiVersion: ` + version + `, kind: ` + kind + `, metadata: {name: ` + name + `}, spec: {` + field + `: {matchLabels: {app: ` + label + `}}}}`
}
