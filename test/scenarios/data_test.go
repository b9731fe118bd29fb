package scenarios

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ofData are volumes, records and what else cannot simply be made anew.
var ofData = []reported{
	{
		name: "a claim that a failing release made larger", source: "helm/helm#13339", beside: true,
		steps: []step{
			{before: []deed{growingClass}, values: claimOf("1Gi", "scenario-growing")},
			{values: claimOf("2Gi", "scenario-growing") + "\n" + crash, exits: rolledBack, words: []string{"PersistentVolumeClaim/data"}, serves: 1, after: []deed{has("persistentvolumeclaims/data", "{.spec.resources.requests.storage}", "2Gi")}},
			{values: claimOf("2Gi", "scenario-growing"), serves: 3},
			{command: "rollback", args: []string{"--to", "1"}, words: []string{"PersistentVolumeClaim/data"}, serves: 1, after: []deed{isGood}},
		},
	},
	{
		name: "a claim that is gone from the chart", source: "helm/helm#3797", beside: true,
		steps: []step{
			{values: claimOf("1Mi", "")},
			{values: crash, exits: []int{1, 4, 5}, words: []string{"PersistentVolumeClaim/data"}, after: []deed{claimIsUsable}},
		},
	},
	{
		name: "a claim that somebody deletes meanwhile", source: "bitnami/charts#5724",
		steps: []step{
			{values: claimOf("1Mi", "")},
			{values: claimOf("1Mi", "") + "\n" + strings.TrimSpace(slowReadiness), during: func(s *site, _ *process) {
				s.awaits("a new pod", isNew)
				client, name := s.object("persistentvolumeclaims/data")
				require.NoError(s.t, client.Delete(s.ctx, name, metav1.DeleteOptions{}))
			}, exits: []int{3, 4, 5}, words: []string{"PersistentVolumeClaim/data"}},
		},
	},
	{
		name: "an object that stays when its chart drops it", source: "helm/helm#8132",
		steps: []step{
			{values: kept("a")},
			{after: []deed{has("configmaps/kept", "{.data}", `{"a":"1"}`)}},
			{values: kept("b"), after: []deed{has("configmaps/kept", "{.data}", `{"b":"1"}`)}},
			{values: crash, exits: rolledBack, after: []deed{has("configmaps/kept", "{.data}", `{"b":"1"}`)}},
		},
	},
	{
		name: "one pod with a volume that is made anew", source: "helm/helm#7916", beside: true,
		steps: []step{
			{values: "spec: {replicas: 1, strategy: {type: Recreate}}\n" + claimOf("1Mi", "")},
			{values: "spec: {replicas: 1, strategy: {type: Recreate}}\n" + claimOf("1Mi", "") + "\n" + crash, exits: rolledBack, serves: 1},
			{values: "spec: {replicas: 1, strategy: {type: Recreate}}\n" + claimOf("1Mi", ""), serves: 3},
		},
	},
	{
		name: "an immutable ConfigMap that changes", source: "pulumi/pulumi-kubernetes#3181", beside: true,
		steps: []step{
			{values: immutable("1")},
			{values: immutable("2"), exits: refused, words: []string{"ConfigMap/fixed", "immutable"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "a definition among the templates of a release that fails", source: "NVIDIA/nodewright#464",
		steps: []step{
			{before: []deed{forgets("Widget")}},
			{values: "objects:\n- " + indented(definition("Widget")) + "\n" + crash, exits: rolledBack, serves: 1, after: []deed{there("customresourcedefinitions.apiextensions.k8s.io/" + crd("Widget"))}},
		},
	},
	{
		name: "a quota without room for a record", source: "zilliztech/milvus-operator#145", beside: true,
		steps: []step{
			{},
			{before: []deed{roomForSecrets(0)}, exits: []int{1}, words: []string{"quota"}, lies: []string{"grant"}, serves: 1, after: []deed{onlyOneRevision}},
			{before: []deed{deletes("resourcequotas/secrets"), roomForSecrets(1)}, values: crash, exits: []int{1, 4}, serves: 1},
		},
	},
	{
		name: "few records, and none at all", source: "helm/helm#12598",
		steps: []step{
			{args: []string{"--history-max", "2"}}, {args: []string{"--history-max", "2"}}, {args: []string{"--history-max", "2"}}, {args: []string{"--history-max", "2"}},
			{command: "rollback", serves: 3},
			{before: []deed{withoutRecords}, exits: []int{0, 1, 2}, after: []deed{there("deployments.apps/app")}},
		},
	},
}

// slowReadiness gives time for what happens meanwhile, beside a volume.
const slowReadiness = `script: "rm $www/ready; (sleep 12; echo ready > $www/ready) & exec httpd -f -p 8080 -h $www"`

// claimOf are the values of an application with a volume of a size and class.
func claimOf(size, class string) string {
	if class != "" {
		class = "storageClassName: " + class + ", "
	}
	return `
pod: {volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]}
container: {volumeMounts: [{name: data, mountPath: /data}]}
objects: [{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {` + class + `accessModes: [ReadWriteOnce], resources: {requests: {storage: ` + size + `}}}}]`
}

// growingClass is the stage's own class, with claims that may grow.
func growingClass(s *site) {
	s.t.Helper()
	classes, err := s.kube.StorageV1().StorageClasses().List(s.ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	require.NotEmpty(s.t, classes.Items)
	of := classes.Items[0]
	creates(fmt.Sprintf("{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: scenario-growing}, allowVolumeExpansion: true, provisioner: %s, volumeBindingMode: %s}", of.Provisioner, *of.VolumeBindingMode))(s)
}

// claimIsUsable requires that the claim is there and stays, unless the run said that
// a human is needed.
func claimIsUsable(s *site) {
	s.t.Helper()
	if s.last.exit == 5 {
		return
	}
	there("persistentvolumeclaims/data")(s)
	s.serves(1)
}

func kept(key string) string {
	return `objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, annotations: {helm.sh/resource-policy: keep}}, data: {` + key + `: "1"}}]`
}

func immutable(value string) string {
	return `objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: fixed}, immutable: true, data: {a: "` + value + `"}}]`
}

// roomForSecrets makes a quota that lets so many more be.
func roomForSecrets(more int) deed {
	return func(s *site) {
		s.t.Helper()
		secrets, err := s.kube.CoreV1().Secrets(s.namespace).List(s.ctx, metav1.ListOptions{})
		require.NoError(s.t, err)
		hard := len(secrets.Items) + more
		s.apply(quota("secrets", fmt.Sprintf("count/secrets: %d", hard)))
		s.until("the quota to be counted", func() bool {
			q, err := s.kube.CoreV1().ResourceQuotas(s.namespace).Get(s.ctx, "secrets", metav1.GetOptions{})
			used := q.Status.Used["count/secrets"]
			return err == nil && used.CmpInt64(int64(len(secrets.Items))) == 0
		})
	}
}

func withoutRecords(s *site) {
	s.t.Helper()
	require.NoError(s.t, s.kube.CoreV1().Secrets(s.namespace).DeleteCollection(s.ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "owner=helm"}))
}
