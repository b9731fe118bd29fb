package forecast

import (
	"testing"

	"github.com/stagecrew/stagecrew/pkg/release/internal/livetest"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestWhatIsLostWithAnObject(t *testing.T) {
	for name, c := range map[string]struct{ object, want string }{
		"a claim":                             {"{apiVersion: v1, kind: PersistentVolumeClaim}", "the data in it"},
		"a snapshot":                          {"{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshot}", "the data in it"},
		"a namespace":                         {"{apiVersion: v1, kind: Namespace}", "everything in it"},
		"a definition":                        {"{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition}", "all objects of its kind"},
		"a Deployment that serves":            {"{apiVersion: apps/v1, kind: Deployment, status: {readyReplicas: 2}}", "its 2 ready pods"},
		"one pod of it":                       {"{apiVersion: apps/v1, kind: Deployment, status: {readyReplicas: 1}}", "its ready pod"},
		"a Deployment that never came up":     {"{apiVersion: apps/v1, kind: Deployment, status: {replicas: 2}}", ""},
		"a DaemonSet":                         {"{apiVersion: apps/v1, kind: DaemonSet, status: {numberReady: 3}}", "its 3 ready pods"},
		"a StatefulSet keeps its claims":      {"{apiVersion: apps/v1, kind: StatefulSet, spec: {volumeClaimTemplates: [{}]}, status: {readyReplicas: 1}}", "its ready pod"},
		"one that takes its claims along":     {"{apiVersion: apps/v1, kind: StatefulSet, spec: {volumeClaimTemplates: [{}], persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}}}", "the data in its claims"},
		"both":                                {"{apiVersion: apps/v1, kind: StatefulSet, spec: {volumeClaimTemplates: [{}], persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}}, status: {readyReplicas: 2}}", "its 2 ready pods and the data in its claims"},
		"a policy for claims that it has not": {"{apiVersion: apps/v1, kind: StatefulSet, spec: {persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}}}", ""},
		"a pod that runs":                     {"{apiVersion: v1, kind: Pod, status: {phase: Running}}", "the pod, which runs"},
		"a pod that is done":                  {"{apiVersion: v1, kind: Pod, status: {phase: Succeeded}}", ""},
		"what can be made again":              {"{apiVersion: v1, kind: ConfigMap}", ""},
		"a kind of Kubernetes with a dot":     {"{apiVersion: networking.k8s.io/v1, kind: Ingress}", ""},
		"a custom resource without anything":  {"{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, metadata: {uid: '1', name: db, namespace: portal}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := Deletion(t.Context(), fake.NewClientset(), livetest.Written(t, c.object))
			require.Equal(t, c.want, got.Loss)
		})
	}
}

// The custom resource of a database goes, its operator's claims and pods go with it, and
// the diff shows one object of an unknown kind.
func TestWhatAnOperatorMadeIsLostWithItsCustomResource(t *testing.T) {
	meta := func(name, owner string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: "portal", OwnerReferences: []metav1.OwnerReference{{UID: "other"}, {UID: "1", Kind: owner}}}
	}
	client := fake.NewClientset(
		&corev1.PersistentVolumeClaim{ObjectMeta: meta("db-1", "Cluster")}, &corev1.PersistentVolumeClaim{ObjectMeta: meta("db-2", "Cluster")},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "of-somebody-else", Namespace: "portal"}},
		&corev1.Pod{ObjectMeta: meta("db-1", "Cluster"), Status: corev1.PodStatus{Phase: corev1.PodRunning}},
		&corev1.Pod{ObjectMeta: meta("db-2", "Cluster"), Status: corev1.PodStatus{Phase: corev1.PodPending}},
		&appsv1.Deployment{ObjectMeta: meta("pooler", "Cluster"), Status: appsv1.DeploymentStatus{ReadyReplicas: 1}},
		&appsv1.StatefulSet{ObjectMeta: meta("idle", "Cluster")},
	)
	got := Deletion(t.Context(), client, livetest.Written(t, "{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, metadata: {uid: '1', name: db, namespace: portal}}"))
	require.Equal(t, "the data in 2 claims that its operator made and 2 workloads that its operator runs", got.Loss)
	require.Equal(t, []string{"postgresql.cnpg.io", "Cluster", "portal", "db"}, []string{got.Group, got.Kind, got.Namespace, got.Name})
}
