package release

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// kyverno/kyverno#5363, JiRaska/open-bank-oss#4669: the key that a policy trusts was changed, and
// the image that is live was signed with the one before. kyverno/kyverno#10144,
// open-policy-agent/gatekeeper#2633: a policy that looks at pods takes their Deployment.
func TestAPlanTellsOfWhatAPolicyWouldNotLetIn(t *testing.T) {
	refused := func(words string) *metav1.Status {
		status := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "web-1", nil).Status()
		status.Message = words
		return &status
	}
	image1 := func(spec corev1.PodSpec) bool { return strings.Contains(spec.Containers[0].Image, "/one@") }
	const denied = `admission webhook "mutate.kyverno.svc-fail" denied the request: failed to verify image registry.test/one`
	for name, c := range map[string]struct {
		refuse func(verb string, object runtime.Object) *metav1.Status
		want   []string // the concerns
	}{
		"a policy that looks at Deployments and the image that is live": {func(verb string, object runtime.Object) *metav1.Status {
			if d, ok := object.(*appsv1.Deployment); ok && verb == http.MethodPut && image1(d.Spec.Template.Spec) {
				return refused(denied)
			}
			return nil
		}, []string{"release/way-back-refused Deployment/web"}},
		"a policy that looks at pods and the image that is live": {func(_ string, object runtime.Object) *metav1.Status {
			if p, ok := object.(*corev1.Pod); ok && image1(p.Spec) {
				return refused(denied)
			}
			return nil
		}, []string{"release/way-back-refused Deployment/web"}},
		"a policy that looks at pods of the new image": {func(_ string, object runtime.Object) *metav1.Status {
			if p, ok := object.(*corev1.Pod); ok && strings.Contains(p.Spec.Containers[0].Image, "/two@") {
				return refused(`pods "web-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true`)
			}
			return nil
		}, []string{"preflight/pods-refused Deployment/web"}},
		"a policy for pods that nobody has made by hand": {func(_ string, object runtime.Object) *metav1.Status {
			if p, ok := object.(*corev1.Pod); ok && metav1.GetControllerOf(p) == nil {
				return refused(`admission webhook "p" denied the request: naked pods are not allowed`)
			}
			return nil
		}, nil},
		"no permission to make pods": {func(_ string, object runtime.Object) *metav1.Status {
			if _, ok := object.(*corev1.Pod); ok {
				return refused(`pods is forbidden: User "deployer" cannot create resource "pods" in API group "" in the namespace "portal"`)
			}
			return nil
		}, nil},
		"a quota, of which another check tells": {func(_ string, object runtime.Object) *metav1.Status {
			if _, ok := object.(*corev1.Pod); ok {
				return refused(`pods "web-1" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2`)
			}
			return nil
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = chartOf(t, web)
			apply(t, r, "one")
			require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
			cluster.Refuse = c.refuse
			cluster.Writes("")
			plan, err := r.Plan(t.Context(), image("two").Image())
			require.NoError(t, err)
			require.Empty(t, cluster.Writes(""), "all of it was tried only")
			var found []string
			for _, concern := range plan.Concerns {
				require.False(t, concern.Blocks)
				found = append(found, concern.Code+" "+concern.Object)
			}
			require.Equal(t, c.want, found)
			if c.want != nil && strings.HasPrefix(c.want[0], "release/") {
				require.Contains(t, plan.Concerns[0].Message, "as it is in revision 1, which is live, so that a deploy that fails could not be put back: "+denied)
			}

			rollback, err := r.PlanRollback(t.Context(), 1)
			require.NoError(t, err)
			require.Empty(t, rollback.Concerns, "the rollback itself is refused by it")
		})
	}
}

// helm/helm#4107: the second of two keys takes all that stood under the first.
func TestAPlanTellsOfKeysThatValuesHaveTwice(t *testing.T) {
	r, _ := open(t)
	r.Chart = chartOf(t, web)
	file := filepath.Join(t.TempDir(), "production.yaml")
	require.NoError(t, os.WriteFile(file, []byte("resources: {}\nreplicas: 1\nresources: {limits: {}}\n"), 0o600))
	r.Values = []string{file}
	require.NoError(t, os.WriteFile(filepath.Join(r.Chart, "values.yaml"), []byte("image: {repository: none}\nreplicas: 1\nreplicas: 2\n"), 0o600))
	plan, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	require.Len(t, plan.Concerns, 2)
	require.Equal(t, "preflight/remark", plan.Concerns[0].Code)
	require.Equal(t, file+`: line 3: key "resources" already set in map: the last one counts, with nothing of the one before`, plan.Concerns[0].Message)
	require.Contains(t, plan.Concerns[1].Message, `the chart's values.yaml: line 3: key "replicas" already set in map`)
}
