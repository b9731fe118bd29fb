package scenarios

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// ofCharts are charts that are not what somebody meant, and how they meet the cluster.
var ofCharts = []reported{
	{
		name: "a dependency of the chart that nobody fetched", source: "helm/helm#2209", beside: true,
		steps: []step{
			{chart: with(map[string]string{"Chart.yaml": umbrella, "charts/db/Chart.yaml": "{apiVersion: v2, name: db, version: 0.1.0}", "charts/db/templates/db.yaml": database})},
			{chart: with(map[string]string{"Chart.yaml": umbrella}), exits: []int{2}, words: []string{"db", "helm dependency build"}, serves: 1,
				after: []deed{there("deployments.apps/db"), there("persistentvolumeclaims/db-data")}},
		},
	},
	{
		name: "a library chart", source: "helm/helm#5295", beside: true,
		steps: []step{{chart: chart(map[string]string{"Chart.yaml": "{apiVersion: v2, name: lib, version: 0.1.0, type: library}", "templates/_x.tpl": "{{ define \"x\" }}{{ end }}"}),
			exits: []int{2}, words: []string{"library"}}},
	},
	{
		name: "one object twice in a chart", source: "helm/helm#2947", beside: true,
		steps: []step{
			{values: twoSettings, exits: refused, words: []string{"ConfigMap/settings"}},
			{},
			{values: twoSettings, exits: refused, words: []string{"ConfigMap/settings"}, serves: 2, after: []deed{gone("configmaps/settings")}},
		},
	},
	{
		name: "two objects that a template has glued into one document", source: "helm/helm#10149", beside: true,
		steps: []step{
			{},
			{chart: with(map[string]string{"templates/glued.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: first}\ndata:\n  a: b\n{{- if true -}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: second}\n{{- end }}\n"}),
				exits: refused, words: []string{"ConfigMap/second", "one document"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "an object with a hook that Helm does not know", source: "fluxcd/flux2#4756", beside: true,
		steps: []step{
			{},
			{values: `objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: seed, annotations: {helm.sh/hook: "post-upgrade, pre-uninstall"}}}]`,
				exits: refused, words: []string{"ConfigMap/seed", "pre-uninstall"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "a file that lies in the chart and makes the record too large", source: "helm/helm#9788", beside: true,
		steps: []step{
			{},
			{command: "preflight", chart: withLargeFile, exits: refused, words: []string{"dump.sql", ".helmignore"}},
			{chart: withLargeFile, exits: refused, words: []string{"dump.sql", ".helmignore"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "a definition among the templates, with an object of it", source: "prometheus-operator/prometheus-operator#1866", beside: true,
		steps: []step{{values: "objects:\n- " + indented(definition("Gauge")) + "\n- {apiVersion: " + apiGroup + "/v1, kind: Gauge, metadata: {name: mine}}",
			before: []deed{forgets("Gauge")}, exits: refused, words: []string{"Gauge", "crds"}}},
	},
	{
		name: "a definition in crds/ and an object of it", source: "prometheus-operator/prometheus-operator#1866",
		steps: []step{
			{chart: withDefinition("Scale"), values: custom("Scale"), before: []deed{forgets("Scale")}},
			{chart: withDefinition("Scale"), values: custom("Scale"), serves: 2},
			{chart: withDefinition("Scale"), values: custom("Scale") + "\n" + crash, exits: rolledBack, serves: 2, after: []deed{there("scales." + apiGroup + "/mine")}},
		},
	},
	{
		name: "a definition in crds/ that comes with an upgrade", source: "helm/helm#6581", beside: true,
		steps: []step{
			{before: []deed{forgets("Dial")}},
			{command: "preflight", chart: withDefinition("Dial"), values: custom("Dial"), exits: refused, words: []string{"crds/dial.yaml"}},
			{chart: withDefinition("Dial"), values: custom("Dial"), exits: refused, words: []string{"crds/dial.yaml"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "a Secret that only an install makes", source: "helm/charts#5903", beside: true,
		steps: []step{
			{chart: withInstallSecret, values: passwordFrom("generated")},
			{chart: withInstallSecret, values: passwordFrom("generated"), exits: []int{1, 4}, words: []string{"generated"}, serves: 1, after: []deed{there("secrets/generated")}},
		},
	},
	{
		name: "a chart that takes repository and tag and knows no digest", source: "argoproj-labs/argocd-image-updater#259",
		steps: []step{{chart: withImage("{{ .Values.image.repository }}:{{ .Values.image.tag }}"), values: `image: {tag: "1.36"}`,
			exits: refused, words: []string{":1.36", "image-values-path"}, after: []deed{gone("deployments.apps/app")}}},
	},
	{
		name: "a chart that puts a registry in front of the repository", source: "backstage/charts#51",
		steps: []step{{chart: withImage("{{ .Values.image.registry }}/{{ .Values.image.repository }}@{{ .Values.image.digest }}"), values: `image: {registry: ghcr.io}`,
			exits: refused, words: []string{"ghcr.io/"}, after: []deed{gone("deployments.apps/app")}}},
	},
	{
		name: "images by tag where every image must have a digest", source: "fluent/helm-charts#356",
		steps: []step{{values: "objects:\n" + worker, args: []string{"--require-digests"}, exits: []int{1}, words: []string{"Deployment/worker", "busybox:1.36"}, after: []deed{gone("deployments.apps/worker")}}},
	},
	{
		name: "a ConfigMap of more than a mebibyte", source: "VictoriaMetrics/helm-charts#424", beside: true,
		steps: []step{
			{},
			{values: "objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: big}, data: {text: " + strings.Repeat("x", 1<<20+1) + "}}]",
				exits: refused, words: []string{"ConfigMap/big", "1048576"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "values of several files, and settings with commas", source: "helm/helm#1707",
		steps: []step{
			{values: "container: {env: [{name: A, value: a}]}\npod: {nodeSelector: {disk: fast}}",
				args:  []string{"--set", "pod.nodeSelector=null,spec.revisionHistoryLimit=3,container.env=null"},
				after: []deed{has("deployments.apps/app", "{.spec.revisionHistoryLimit}{.spec.template.spec.containers[0].env}{.spec.template.spec.nodeSelector}", "3")}},
			{values: `image: "nginx:1"`, exits: []int{2}, words: []string{"image-values-path"}},
			{values: `spec: {replicas: "1"}`, exits: refused, words: []string{"Deployment/app", "replicas"}, serves: 1},
		},
	},
	{
		name: "a chart of a registry, by tag, by digest and not there", source: "helm/helm#31600",
		steps: []step{
			{chart: pushedChart(":0.1.0"), serves: 1},
			{chart: pushedChart("@"), serves: 2},
			{chart: func(s *site) string { return "oci://" + s.registry() + "/charts/nothing:1.0.0" }, exits: []int{2}, words: []string{"charts/nothing"}, serves: 2},
		},
	},
	{
		name: "three hundred objects", source: "helm/helm#7126",
		steps: []step{
			{chart: with(map[string]string{"templates/many.yaml": manyObjects}), args: unhurried},
			{chart: with(map[string]string{"templates/many.yaml": manyObjects}), args: unhurried, serves: 2},
			{chart: with(map[string]string{"templates/many.yaml": manyObjects}), args: unhurried, values: crash, exits: rolledBack, words: []string{"cannot open the database"}, serves: 2},
		},
	},
	{
		name: "an object that kubectl made", source: "helm/helm#7223", beside: true,
		steps: []step{
			{before: []deed{creates("{apiVersion: v1, kind: Service, metadata: {name: app}, spec: {selector: {app: app}, ports: [{port: 80, targetPort: 8080}]}}")},
				exits: refused, words: []string{"Service/app", "app.kubernetes.io/managed-by=Helm", "meta.helm.sh/release-name"}},
			{before: []deed{adopts("services/app")}, serves: 2},
		},
	},
	{
		name: "a rollback over what somebody made by hand", source: "helm/helm#12436",
		steps: []step{
			{values: "objects: [" + dropped("chart") + "]"},
			{},
			{command: "rollback", args: []string{"--to", "1"}, before: []deed{creates(dropped("theirs"))}, exits: refused, words: []string{"release/not-ours", "ConfigMap/dropped", "meta.helm.sh/release-name"},
				serves: 2, after: []deed{has("configmaps/dropped", "{.data.key}", "theirs")}},
			{command: "rollback", args: []string{"--to", "1"}, before: []deed{adopts("configmaps/dropped")}, serves: 1, after: []deed{isGood, has("configmaps/dropped", "{.data.key}", "chart")}},
		},
	},
	{
		name: "a way back over what somebody made by hand", source: "helm/helm#31745",
		steps: []step{
			{values: "objects: [" + dropped("chart") + "]"},
			{values: crash, during: func(s *site, _ *process) {
				gone("configmaps/dropped")(s)
				creates(dropped("theirs"))(s)
			}, exits: human, words: []string{"left in place what the rollback would overwrite: ConfigMap/dropped belongs to no Helm release"}, serves: 1, after: []deed{has("configmaps/dropped", "{.data.key}", "theirs")}},
		},
	},
	{
		name: "a node's port that another namespace has", source: "kubernetes/kubernetes#48579", beside: true,
		steps: []step{
			{before: []deed{inAnotherNamespace(`{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {type: NodePort, ports: [{port: 80, nodePort: 31997}]}}`)}},
			{values: "objects: [" + nodePort("np", 31997) + "]", exits: refused, words: []string{"Service/np", "31997"}, serves: 1},
			{values: "objects: [" + nodePort("low", 80) + "]", exits: rolledBack, words: []string{"preflight/node-port", "Service/low", "30000 to 32767"}, serves: 1},
			{values: "objects: [" + nodePort("n1", 31996) + ", " + nodePort("n2", 31996) + "]", exits: refused, words: []string{"n1", "n2", "31996"}, serves: 1},
		},
	},
	{
		name: "a Service that changes its type", source: "kubernetes/kubernetes#48579",
		steps: []step{
			{values: "objects: [" + second("") + "]"},
			{values: "objects: [" + second("type: LoadBalancer, externalTrafficPolicy: Local,") + "]\n" + crash, exits: rolledBack, serves: 1,
				after: []deed{has("services/second", "{.spec.type}{.spec.externalTrafficPolicy}", "ClusterIP")}},
			{values: "objects: [" + second("clusterIP: None,") + "]", exits: refused, words: []string{"Service/second", "immutable"}, serves: 1},
		},
	},
}

const umbrella = `{apiVersion: v2, name: umbrella, version: 0.1.0, dependencies: [{name: db, version: 0.1.0, repository: "https://charts.example.com"}]}`

const database = `
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: db-data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  strategy: {type: Recreate}
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: db, image: "busybox:1.36", command: [sleep, "100000"], volumeMounts: [{name: data, mountPath: /data}]}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: db-data}}]
`

const twoSettings = `
objects:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: "1"}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {b: "2"}}`

// unhurried is for what a loaded machine takes minutes for.
var unhurried = []string{"--timeout", "10m", "--rollback-timeout", "10m"}

const manyObjects = `{{ range until 300 }}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: many-{{ . }}}, data: {version: {{ $.Values.version | quote }}}}
{{ end }}`

// withLargeFile is the chart with a file that does not compress.
func withLargeFile(s *site) string {
	var content strings.Builder
	sum := sha256.Sum256(nil)
	for content.Len() < 3<<20 {
		sum = sha256.Sum256(sum[:])
		content.WriteString(hex.EncodeToString(sum[:]))
	}
	return with(map[string]string{"dump.sql": content.String()})(s)
}

func withDefinition(kind string) func(*site) string {
	return with(map[string]string{"crds/" + strings.ToLower(kind) + ".yaml": definition(kind)})
}

func withInstallSecret(s *site) string {
	return with(map[string]string{"templates/secret.yaml": `{{ if .Release.IsInstall }}
apiVersion: v1
kind: Secret
metadata: {name: generated}
stringData: {PASSWORD: {{ randAlphaNum 20 | quote }}}
{{ end }}`})(s)
}

// withImage is a chart whose Deployment builds the image's name in its own way.
func withImage(image string) func(*site) string {
	return with(map[string]string{"templates/workload.yaml": `
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: app, image: "` + image + `", command: [sleep, "100000"]}]}
`})
}

// passwordFrom are the values of an application with the environment of a Secret.
func passwordFrom(secret string) string {
	return `container: {envFrom: [{secretRef: {name: ` + secret + `}}]}`
}

// adopts gives an object to the release, as Helm itself would mark it.
func adopts(id string) deed {
	return func(s *site) {
		s.t.Helper()
		patches(id, fmt.Sprintf(`{"metadata":{"labels":{"app.kubernetes.io/managed-by":"Helm"},"annotations":{"meta.helm.sh/release-name":%q,"meta.helm.sh/release-namespace":%q}}}`,
			release, s.namespace))(s)
	}
}

func inAnotherNamespace(text string) deed {
	return func(s *site) {
		s.t.Helper()
		creates(text)(newSite(s.t, s.namespace+" other"))
	}
}

func nodePort(name string, port int) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {name: %s}, spec: {type: NodePort, selector: {app: app}, ports: [{port: 80, targetPort: 8080, nodePort: %d}]}}`, name, port)
}

// dropped is an object that only some releases have.
func dropped(key string) string {
	return `{apiVersion: v1, kind: ConfigMap, metadata: {name: dropped}, data: {key: ` + key + `}}`
}

// second is a second Service of the application.
func second(fields string) string {
	return `{apiVersion: v1, kind: Service, metadata: {name: second}, spec: {` + fields + ` selector: {app: app}, ports: [{port: 80, targetPort: 8080}]}}`
}

// indented makes a document an entry of a list.
func indented(document string) string {
	return strings.ReplaceAll(strings.TrimSpace(document), "\n", "\n  ")
}
