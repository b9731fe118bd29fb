package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ofOthers are people, controllers and a plain helm that work on the same release.
var ofOthers = []reported{
	{
		name: "a Deployment and a Service that somebody deleted", source: "helm/helm#1193", beside: true,
		steps: []step{
			{},
			{before: []deed{deletes("deployments.apps/app")}, serves: 2, after: []deed{isGood}},
			{before: []deed{deletes("services/app")}, serves: 3, after: []deed{isGood}},
			{command: "rollback", before: []deed{deletes("deployments.apps/app")}, serves: 2, after: []deed{isGood}},
			{command: "gate", before: []deed{deletes("deployments.apps/app")}, args: []string{"--timeout", "20s"}, exits: []int{1, 3}, words: []string{"Deployment/app"}, after: []deed{isNotBad}},
		},
	},
	{
		name: "a release that was uninstalled and kept its history", source: "helm/helm#11553", beside: true,
		steps: []step{
			{},
			{command: "recover", before: []deed{plainHelm("uninstall", release, "--keep-history")}, after: []deed{gone("deployments.apps/app")}},
			{serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a release whose removal was killed", source: "helm/helm#9274",
		steps: []step{
			{values: onHook("pre-delete", "sleep 100")},
			{before: []deed{killedUninstall}, exits: []int{0, 1}, lies: []string{"has no deployed releases"}},
			{command: "recover", exits: []int{0, 1, 4, 5}, lies: []string{"has no deployed releases"}},
		},
	},
	{
		name: "a definition that is gone, of an object in the record", source: "helm/helm#8900", beside: true,
		steps: []step{
			{before: []deed{defines("Monitor")}, values: custom("Monitor")},
			{before: []deed{deletes("customresourcedefinitions.apiextensions.k8s.io/" + crd("Monitor"))}, serves: 2, after: []deed{isGood}},
			{values: crash, exits: rolledBack, serves: 2},
		},
	},
	{
		name: "a version that a definition does not serve any more", source: "openservicemesh/osm#5117", beside: true,
		steps: []step{
			{before: []deed{defines("Probe")}, values: custom("Probe")},
			{before: []deed{servesOnly("Probe", "v2")}, values: strings.ReplaceAll(custom("Probe"), "/v1,", "/v2,"), serves: 2},
			{values: strings.ReplaceAll(custom("Probe"), "/v1,", "/v2,") + "\n" + crash, exits: rolledBack, serves: 2},
		},
	},
	{
		name: "a plain helm upgrade after a good revision, that is broken", source: "helm/helm#32404",
		steps: []step{
			{},
			{command: "recover", before: []deed{upgrades(7, crash), isNotGood}, exits: []int{0, 4}},
			{before: []deed{upgrades(8, crash), isNotGood}, values: crash, exits: rolledBack, serves: 1},
		},
	},
	{
		name: "a plain helm upgrade after a good revision, that works", source: "helm/helm#32404",
		steps: []step{
			{},
			{before: []deed{upgrades(7, "", "--wait"), isNotGood}, values: crash, exits: rolledBack, serves: 7},
		},
	},
	{
		name: "a plain helm upgrade after a good revision, that failed", source: "helm/helm#32404",
		steps: []step{
			{},
			{before: []deed{upgrades(7, crash, "--wait", "--timeout", "5s")}, serves: 2, lies: []string{"copy of 2"}, after: []deed{isGood}},
			{before: []deed{upgrades(8, crash, "--wait", "--timeout", "5s")}, values: crash, exits: rolledBack, serves: 2},
			{command: "rollback", before: []deed{upgrades(9, crash, "--wait", "--timeout", "5s")}, serves: 2},
		},
	},
	{
		name: "a plain helm upgrade that is at work", source: "helm/helm#7322",
		steps: []step{
			{},
			{before: []deed{startsUpgrade(7, `container: {readinessProbe: {initialDelaySeconds: 20}}`)}, exits: []int{0, 1}, after: []deed{upgradeEnds}},
		},
	},
	{
		name: "another image that somebody sets meanwhile", source: "helm/helm#12768",
		steps: []step{
			{},
			{values: slowly, during: meanwhile(patches("deployments.apps/app", `{"metadata":{"annotations":{"by":"hand"}},"spec":{"template":{"metadata":{"annotations":{"hotfix":"1"}}}}}`), setsImage("busybox:1.36")),
				exits: []int{3, 4, 5}, words: []string{"mage"}},
		},
	},
	{
		name: "no pods at all, that somebody scales to meanwhile", source: "helm/helm#12768", beside: true,
		steps: []step{
			{},
			{values: `script: "rm $www/ready; exec httpd -f -p 8080 -h $www"`, args: []string{"--timeout", "60s"}, during: meanwhile(func(s *site) { s.scale(0) }), exits: []int{3, 4, 5}, words: []string{"Deployment/app"}},
		},
	},
	{
		name: "a rollout that somebody undoes meanwhile", source: "OriginProtocol/dshop#388", beside: true,
		steps: []step{
			{},
			{values: slowly, during: meanwhile(undoes), exits: []int{3, 4, 5}, words: []string{"Deployment/app"}},
		},
	},
	{
		name: "another image of a revision that is to be judged", source: "OriginProtocol/dshop#388",
		steps: []step{
			{},
			{command: "gate", before: []deed{upgrades(7, "", "--wait"), setsImage("busybox:1.36"), rolledOut}, exits: []int{1, 3}, words: []string{"Deployment/app", "image"}, after: []deed{isNotGood}},
		},
	},
	{
		name: "a rollout that somebody restarts meanwhile", source: "fluxcd/flux2#2526", beside: true,
		steps: []step{
			{},
			{values: slowly, during: meanwhile(patches("deployments.apps/app", `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-26T01:00:00Z"}}}}}`)), serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a rollout that somebody paused", source: "helm/helm#5789",
		steps: []step{
			{},
			{before: []deed{patches("deployments.apps/app", `{"spec":{"paused":true}}`)}, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "an object that moves from one release to another", source: "helm/helm#32218",
		steps: []step{
			{args: []string{"--release", "other"}, values: shared},
			{values: shared, exits: refused, words: []string{"ConfigMap/shared", "other"}, after: []deed{there("configmaps/shared"), gone("deployments.apps/app")}},
			{before: []deed{adopts("configmaps/shared")}, values: shared},
			{args: []string{"--release", "other"}, after: []deed{there("configmaps/shared")}},
			{args: []string{"--release", "other"}, values: crash, exits: []int{4}, after: []deed{there("configmaps/shared")}},
		},
	},
	{
		name: "a first install that fails, and the next try", source: "helm/helm#3353",
		steps: []step{
			{values: crash, exits: human, words: []string{"cannot open the database"}},
			{serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a first install of a StatefulSet that fails, and the next tries", source: "kubernetes/kubernetes#67250", beside: true,
		steps: []step{
			{values: "kind: StatefulSet\ncontainers: [{name: sidecar, image: \"busybox:9.99\"}]", exits: human, words: []string{"busybox:9.99"}},
			{values: "kind: StatefulSet\ncontainers: [{name: sidecar, image: \"busybox:9.98\"}]", exits: human, words: []string{"busybox:9.98"}},
			{values: "kind: StatefulSet", serves: 3, after: []deed{isGood}},
		},
	},
	{
		name: "a namespace that is being deleted", source: "galaxyproject/galaxy-helm#457",
		steps: []step{
			{},
			{before: []deed{ending}, exits: []int{1, 3}, words: []string{"being deleted"}, lies: []string{"grant"}},
		},
	},
	{
		name: "an admission webhook that is down", source: "prometheus-community/helm-charts#1041",
		steps: []step{
			{},
			{before: []deed{webhook("apps", "deployments")}, exits: []int{1, 3}, words: []string{"policy.example.com"}, after: []deed{onlyOneRevision}},
			{before: []deed{deletes(webhookOf("deployments"))}, values: `script: "sleep 5; echo cannot open the database >&2; exit 3"`,
				args: []string{"--rollback-timeout", "15s"}, during: func(s *site, p *process) { p.reaches("watch"); webhook("apps", "deployments")(s) }, exits: human, words: []string{"policy.example.com"}},
			{command: "recover", before: []deed{deletes(webhookOf("deployments"))}, exits: rolledBack, serves: 1},
		},
	},
}

const shared = `objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: shared}, data: {a: "1"}}]`

// plainHelm runs the helm command, whatever comes of it.
func plainHelm(args ...string) deed {
	return func(s *site) {
		s.t.Helper()
		o := s.helmCommand(helmProgram(s.t), args...).wait()
		s.t.Logf("helm %s: exit %d\n%s", args[0], o.exit, o.stderr)
	}
}

// upgrades is what somebody else does with helm, to a version of his own.
func upgrades(version int, values string, flags ...string) deed {
	return func(s *site) {
		s.t.Helper()
		o := s.helmUpgrade(helmProgram(s.t), ownChart(s), s.image, version, values, flags...).wait()
		s.t.Logf("helm upgrade: exit %d\n%s", o.exit, o.stderr)
	}
}

// startsUpgrade is the same, in the background; it is under way when this returns.
func startsUpgrade(version int, values string) deed {
	return func(s *site) {
		s.t.Helper()
		s.helmRun = s.helmUpgrade(helmProgram(s.t), ownChart(s), s.image, version, values, "--wait", "--timeout", helmTimeout)
		s.until("helm to be at work", func() bool {
			records, err := s.kube.CoreV1().Secrets(s.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "owner=helm,status=pending-upgrade"})
			return err == nil && len(records.Items) > 0
		})
	}
}

// killedUninstall kills helm while it waits for a hook of the removal.
func killedUninstall(s *site) {
	s.t.Helper()
	p := s.helmCommand(helmProgram(s.t), "uninstall", release)
	s.until("helm to be at work", func() bool {
		records, err := s.kube.CoreV1().Secrets(s.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "owner=helm,status=uninstalling"})
		return err == nil && len(records.Items) > 0
	})
	p.signal(syscall.SIGKILL)
	p.wait()
}

func upgradeEnds(s *site) {
	s.t.Helper()
	o := s.helmRun.wait()
	require.Zero(s.t, o.exit, o.stderr)
}

// meanwhile does something when a pod of the new release runs, and is not ready yet.
func meanwhile(deeds ...deed) func(*site, *process) {
	return func(s *site, _ *process) {
		s.t.Helper()
		s.awaits("a new pod that runs", func(p *corev1.Pod) bool { return isNew(p) && p.Status.Phase == corev1.PodRunning })
		for _, do := range deeds {
			do(s)
		}
	}
}

func setsImage(image string) deed {
	return func(s *site) {
		s.t.Helper()
		s.patch("deployments.apps/app", types.StrategicMergePatchType, fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"app","image":%q}]}}}}`, image))
	}
}

// rolledOut waits until all of the Deployment's pods are of its present template.
func rolledOut(s *site) {
	s.t.Helper()
	becomes("deployments.apps/app", "{.status.updatedReplicas}{.status.availableReplicas}{.status.replicas}", "222")(s)
}

// undoes does what `kubectl rollout undo` does.
func undoes(s *site) {
	s.t.Helper()
	sets, err := s.kube.AppsV1().ReplicaSets(s.namespace).List(s.ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	for _, set := range sets.Items {
		template := set.Spec.Template
		if isNew(&corev1.Pod{Spec: template.Spec}) {
			continue
		}
		delete(template.Labels, "pod-template-hash")
		text, err := json.Marshal([]any{map[string]any{"op": "replace", "path": "/spec/template", "value": template}})
		require.NoError(s.t, err)
		s.patch("deployments.apps/app", types.JSONPatchType, string(text))
		return
	}
	s.t.Fatal("there is no ReplicaSet to go back to")
}

// servesOnly lets a definition serve one version, and keep its objects in it.
func servesOnly(kind, version string) deed {
	return func(s *site) {
		s.t.Helper()
		id := "customresourcedefinitions.apiextensions.k8s.io/" + crd(kind)
		schema := `"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}`
		patches(id, fmt.Sprintf(`{"spec":{"versions":[{"name":"v1","served":false,"storage":false,%s},{"name":%q,"served":true,"storage":true,%s}]}}`, schema, version, schema))(s)
		s.until("version "+version, func() bool {
			_, err := s.kube.Discovery().ServerResourcesForGroupVersion(apiGroup + "/" + version)
			return err == nil
		})
	}
}

// ending deletes the namespace while something in it holds its end up.
func ending(s *site) {
	s.t.Helper()
	creates(`{apiVersion: v1, kind: ConfigMap, metadata: {name: hold, finalizers: [example.com/hold]}}`)(s)
	require.NoError(s.t, s.kube.CoreV1().Namespaces().Delete(s.ctx, s.namespace, metav1.DeleteOptions{}))
	s.atEnd(func(ctx context.Context) error {
		_, err := s.kube.CoreV1().ConfigMaps(s.namespace).Patch(ctx, "hold", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		return err
	})
	becomes("namespaces/"+s.namespace, "{.status.phase}", "Terminating")(s)
}

// webhook lets no objects of the namespace be made or changed while it is down, which it
// always is.
func webhook(group, resources string) deed {
	return creates(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: scenario-` + resources + `}
webhooks: [{name: policy.example.com, admissionReviewVersions: [v1], sideEffects: None, failurePolicy: Fail, timeoutSeconds: 2, clientConfig: {service: {namespace: NAMESPACE, name: policy, path: /}},
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}, rules: [{apiGroups: ["` + group + `"], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [` + resources + `]}]}]`)
}

// webhookOf is the id of what webhook makes for such objects.
func webhookOf(resources string) string {
	return "validatingwebhookconfigurations.admissionregistration.k8s.io/scenario-" + resources
}
