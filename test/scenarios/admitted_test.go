package scenarios

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ofAdmission are policies of the cluster, and what a newcomer's chart asks of it.
var ofAdmission = []reported{
	{
		name: "a policy that has changed since, so that there is no way back", source: "kyverno/kyverno#5363",
		steps: []step{
			{values: reviewed("2025")},
			{before: []deed{wantsReview("2026")}, values: reviewed("2026") + "\n" + crash, exits: human,
				words: []string{"release/way-back-refused", "Deployment/app", "revision 1, which is live", "reviews are of 2026", "cannot open the database"}, after: []deed{isNotGood}},
			{values: reviewed("2026"), serves: 3, after: []deed{isGood}},
			{values: reviewed("2026"), lies: []string{"release/way-back-refused"}, serves: 4},
		},
	},
	{
		name: "a namespace that becomes restricted", source: "open-policy-agent/gatekeeper#2633", beside: true,
		steps: []step{
			{},
			{before: []deed{func(s *site) { s.label("pod-security.kubernetes.io/enforce", "restricted") }}, values: setting("a"), exits: rolledBack,
				words: []string{"rollout/admission-denied", "preflight/pods-refused", "violates PodSecurity", "release/way-back-refused"}, serves: 1},
		},
	},
	{
		name: "a PriorityClass that comes late", source: "GoogleContainerTools/skaffold#8972",
		steps: []step{
			{},
			{values: `pod: {priorityClassName: sc-late}`, during: func(s *site, p *process) {
				p.reaches("watch")
				time.Sleep(24 * time.Second) // this is what the scenario is about: its controller tries again after 41 s
				creates(`{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: sc-late}, value: 100}`)(s)
			}, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a StatefulSet whose name is too long for its pods", source: "helm/helm#3752, kubernetes/kubernetes#64023", beside: true,
		steps: []step{{values: stateful("replicas: 1") + "\nname: portal-for-the-developers-of-all-teams-in-all-countries", exits: refused, words: []string{"preflight/name-too-long", "its name has 55 characters"},
			after: []deed{gone("statefulsets.apps/portal-for-the-developers-of-all-teams-in-all-countries")}}},
	},
	{
		name: "a Service that leads to the next version's port at once", source: "cloudfoundry-incubator/kubecf#1325", beside: true,
		steps: []step{
			{},
			{values: otherPort, words: []string{"preflight/service-gap", "Service/app", "the targetPort of its port 80 changes from http to web"}, serves: 2, after: []deed{isGood}},
			{values: otherPort, lies: []string{"preflight/service-gap"}, serves: 3, after: []deed{isGood}},
		},
	},
	{
		name: "a chart for another Kubernetes", source: "piraeusdatastore/helm-charts#52", beside: true,
		steps: []step{
			{},
			{chart: with(map[string]string{"Chart.yaml": "{apiVersion: v2, name: app, version: 0.2.0, kubeVersion: '>= 9.99.0-0'}"}), exits: refused, words: []string{"9.99"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "values that the chart's schema does not take", source: "netbox-community/netbox-chart#334", beside: true,
		steps: []step{
			{},
			{chart: with(map[string]string{"values.schema.json": `{"type": "object", "properties": {"replicas": {"type": "integer"}}}`}), values: `replicas: "two"`, exits: refused, words: []string{"replicas"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "a chart that makes its own namespace", source: "linode/apl-core#3418", beside: true,
		steps: []step{{chart: with(map[string]string{"templates/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: {{ .Release.Namespace }}}\n"}), exits: refused,
			words: []string{"release/not-ours", "Namespace/", "kubectl annotate namespaces"}, after: []deed{gone("deployments.apps/app")}}},
	},
	{
		name: "pods that must be ready for a while", beside: true,
		steps: []step{
			{values: `spec: {replicas: 1, minReadySeconds: 12}`, serves: 1},
			{values: `spec: {replicas: 1, minReadySeconds: 12}`, serves: 2, after: []deed{isGood}},
			{values: "spec: {replicas: 1, minReadySeconds: 300}", args: []string{"--timeout", "40s"}, exits: rolledBack, words: []string{"minReadySeconds", "preflight/budget"}, serves: 2},
		},
	},
	{
		name: "a readiness gate that nobody opens", source: "kubernetes-sigs/aws-load-balancer-controller#3665", beside: true,
		steps: []step{
			{},
			{values: `pod: {readinessGates: [{conditionType: target-health.elbv2.k8s.aws/app}]}`, args: []string{"--timeout", "30s"}, exits: rolledBack, words: []string{"target-health.elbv2.k8s.aws/app"}, serves: 1},
		},
	},
	{
		name: "a worker in another namespace", source: "helm/helm#980",
		steps: []step{
			{before: []deed{creates(`{apiVersion: v1, kind: Namespace, metadata: {name: NAMESPACE-o}}`)}, chart: with(map[string]string{"templates/far.yaml": farWorker}), serves: 1},
			{chart: with(map[string]string{"templates/far.yaml": farWorker}), values: `far: "echo no queue >&2; exit 1"`, exits: rolledBack, words: []string{"rollout/crash-loop", "Pod/far-", "no queue"}, serves: 1},
			{chart: with(map[string]string{"templates/far.yaml": farWorker}), serves: 3, after: []deed{isGood}},
		},
	},
	{
		name: "a worker in a namespace that is not there", source: "helm/helm#2013", beside: true,
		steps: []step{
			{},
			{chart: with(map[string]string{"templates/far.yaml": farWorker}), exits: refused, words: []string{"Deployment/far", "namespaces", "-o\" not found"}, serves: 1, after: []deed{onlyOneRevision}},
			{chart: with(map[string]string{"templates/far.yaml": farWorker + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: \"{{ .Release.Namespace }}-o\"}\n"}), serves: 3, after: []deed{isGood}},
		},
	},
	{
		name:  "an init container that waits for the release's own Service",
		steps: []step{{values: `pod: {initContainers: [{name: wait, image: "busybox:1.36", command: [sh, -c, "until nc -z app 80; do sleep 1; done"]}]}`, args: []string{"--timeout", "40s"}, exits: human, words: []string{"rollout/timeout", "container wait", "init container 1 of 1 still runs"}}},
	},
	{
		name: "a DaemonSet whose pods somebody else replaces", beside: true,
		steps: []step{
			{values: "kind: DaemonSet\nspec: {updateStrategy: {type: OnDelete}}"},
			{values: "kind: DaemonSet\nspec: {updateStrategy: {type: OnDelete}}\n" + setting("a"), told: []string{"DaemonSet/app: 1 of 1 pods are of the revision before, as its update strategy wants it"}, serves: 1},
		},
	},
	{
		name: "a key twice in the values", source: "helm/helm#4107",
		steps: []step{{values: "spec: {replicas: 1}\nspec: {replicas: 3}", words: []string{"preflight/remark", "values.yaml: line 2: key \"spec\" already set in map", "the last one counts"}, after: []deed{isGood, has("deployments.apps/app", "{.spec.replicas}", "3")}}},
	},
}

// farWorker is a Deployment of the chart in a namespace of its own.
const farWorker = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: far, namespace: "{{ .Release.Namespace }}-o"}
spec:
  selector: {matchLabels: {app: far}}
  template:
    metadata: {labels: {app: far}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: far, image: "busybox:1.36", command: [sh, -c, {{ default "sleep 100000" .Values.far | quote }}]}]}
`

// otherPort are the values of an application on another port, by number and name.
const otherPort = `
container: {ports: [{name: web, containerPort: 9090}], readinessProbe: {httpGet: {path: /ready, port: web}}}
service: {ports: [{name: http, port: 80, targetPort: web}]}
script: exec httpd -f -p 9090 -h $www`

// reviewed are the values of an application that says when it was reviewed.
func reviewed(year string) string {
	return `objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: review}, data: {year: "` + year + `"}}]
container: {env: [{name: REVIEWED, value: "` + year + `"}]}`
}

// wantsReview makes a policy for Deployments that were reviewed in a year.
func wantsReview(year string) deed {
	return func(s *site) {
		s.t.Helper()
		makePolicy(s, fmt.Sprintf(`
  matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]}
  validations: [{expression: "object.spec.template.spec.containers.all(c, has(c.env) && c.env.exists(e, e.name == 'REVIEWED' && e.value == '%[1]s'))", message: reviews are of %[1]s}]`, year))
		s.until("the policy to deny Deployments", func() bool {
			_, err := s.kube.AppsV1().Deployments(s.namespace).Patch(s.ctx, release, "application/merge-patch+json", []byte(`{"metadata":{"annotations":{"tried":"yes"}}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
			return err != nil
		})
	}
}
