package database

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// The log of every pod of this API server is "fake logs".
func TestALogIsReadForWords(t *testing.T) {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "prod"}}
	d := &Database{Options: Options{Client: fake.NewClientset(&pod), Namespace: "prod"}}
	require.True(t, d.says(t.Context(), pod, "backstage", false, "already locked", "fake logs"))
	require.False(t, d.says(t.Context(), pod, "backstage", true, "already locked"))
}
