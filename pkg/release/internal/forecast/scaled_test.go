package forecast

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

// kubernetes/enhancements#1847: claims that go with fewer replicas were gone without a word.
func TestScaledAway_TheClaimsOfPodsThatEndAreNamedWhereTheSetDeletesThem(t *testing.T) {
	client := fake.NewClientset()
	for _, name := range []string{"data-db-5", "data-db-6", "data-db-7"} {
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "portal"}}
		require.NoError(t, client.Tracker().Add(claim))
	}
	set := func(kind string, replicas int32, scaled appsv1.PersistentVolumeClaimRetentionPolicyType) *unstructured.Unstructured {
		s := appsv1.StatefulSet{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: kind}, ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "portal"},
			Spec: appsv1.StatefulSetSpec{Replicas: &replicas, Ordinals: &appsv1.StatefulSetOrdinals{Start: 5},
				VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}}}}}
		if scaled != "" {
			s.Spec.PersistentVolumeClaimRetentionPolicy = &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenScaled: scaled}
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&s)
		require.NoError(t, err)
		return &unstructured.Unstructured{Object: content}
	}
	for name, c := range map[string]struct {
		kind     string
		from, to int32
		policy   appsv1.PersistentVolumeClaimRetentionPolicyType
		want     []string
	}{
		"fewer":                    {"StatefulSet", 3, 1, appsv1.DeletePersistentVolumeClaimRetentionPolicyType, []string{"PersistentVolumeClaim/data-db-6", "PersistentVolumeClaim/data-db-7"}},
		"one that is not there":    {"StatefulSet", 4, 2, appsv1.DeletePersistentVolumeClaimRetentionPolicyType, []string{"PersistentVolumeClaim/data-db-7"}},
		"more":                     {"StatefulSet", 1, 3, appsv1.DeletePersistentVolumeClaimRetentionPolicyType, nil},
		"as many":                  {"StatefulSet", 3, 3, appsv1.DeletePersistentVolumeClaimRetentionPolicyType, nil},
		"kept":                     {"StatefulSet", 3, 1, appsv1.RetainPersistentVolumeClaimRetentionPolicyType, nil},
		"without a policy":         {"StatefulSet", 3, 1, "", nil},
		"a set that is none of it": {"CloneSet", 3, 1, appsv1.DeletePersistentVolumeClaimRetentionPolicyType, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, d := range ScaledAway(t.Context(), client, set(c.kind, c.from, c.policy), set(c.kind, c.to, c.policy)) {
				got = append(got, d.Object())
				require.Equal(t, "the data in it", d.Loss)
				require.Contains(t, d.Why, "StatefulSet/db gets ")
			}
			require.Equal(t, c.want, got)
		})
	}
}
