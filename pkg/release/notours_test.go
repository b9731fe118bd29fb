package release

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// An object that a revision has dropped and somebody made again by hand
// (helm/helm#12436), another release has now (helm/helm#31745), or an operator
// (helm/helm#8741): `helm rollback` to the revision that had it overwrites it without a
// word, or fails half-way. One that was kept on purpose is still the release's
// (helm/helm#8228, #13142, #13462).
func TestARollbackDoesNotOverwriteWhatIsNotTheReleases(t *testing.T) {
	const dropped = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: dropped}
data: {key: chart}
`
	helms := func(release string) map[string]string {
		return map[string]string{"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "portal"}
	}
	for name, c := range map[string]struct {
		labels, annotations map[string]string
		whose               string // "" for the release's own
	}{
		"made by hand":                {whose: "ConfigMap/dropped belongs to no Helm release"},
		"another release has it now":  {map[string]string{"app.kubernetes.io/managed-by": "Helm"}, helms("other"), `ConfigMap/dropped belongs to the Helm release "other" in namespace "portal"`},
		"an operator has it now":      {map[string]string{"app.kubernetes.io/managed-by": "db-operator"}, nil, `ConfigMap/dropped is managed by "db-operator"`},
		"the release's, kept by Helm": {map[string]string{"app.kubernetes.io/managed-by": "Helm"}, helms("backstage"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = chartOf(t, growing+dropped)
			apply(t, r, "one")
			require.NoError(t, r.Mark(t.Context(), 1, record.MarkGood))
			r.Chart = chartOf(t, growing)
			apply(t, r, "two")
			require.Nil(t, cluster.Object(configPath+"dropped"))
			there, err := json.Marshal(corev1.ConfigMap{
				TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
				ObjectMeta: metav1.ObjectMeta{Name: "dropped", Namespace: "portal", Labels: c.labels, Annotations: c.annotations},
				Data:       map[string]string{"key": "theirs"},
			})
			require.NoError(t, err)
			cluster.Put(configPath+"dropped", string(there))
			cluster.Writes("")
			_, err = r.PlanRollback(t.Context(), 1)
			require.Empty(t, cluster.Writes(""))
			wanted := "chart"
			if c.whose == "" {
				require.NoError(t, err)
			} else {
				require.Equal(t, record.KindRefused, record.KindOf(err))
				require.ErrorContains(t, err, "planning to roll back to revision 1: objects of that revision are there already and do not belong to the release:\n"+c.whose)
				require.ErrorContains(t, err, "kubectl annotate configmaps dropped --namespace portal --overwrite meta.helm.sh/release-name=backstage")
				require.ErrorContains(t, err, "[release/not-ours]")
				wanted = "theirs"
			}

			// Nobody asks before a rollback that a failed deploy needs.
			applied, err := r.Rollback(t.Context(), 1, nil)
			require.NoError(t, err)
			require.Equal(t, wanted, cluster.Object(configPath + "dropped").(*corev1.ConfigMap).Data["key"])
			require.Equal(t, "registry.test/one", only(cluster.Object(deploymentPath).(*appsv1.Deployment)).Containers[0].Image)
			drift, err := r.Drift(t.Context(), applied.Revision.Number)
			require.NoError(t, err)
			if c.whose == "" {
				require.Empty(t, applied.Repairs)
				require.Empty(t, drift)
				return
			}
			require.Len(t, applied.Repairs, 1)
			require.Contains(t, applied.Repairs[0], "left in place what the rollback would overwrite: "+c.whose)
			require.Equal(t, "ConfigMap/dropped", drift[0].Object, "the comparison that follows does not take it for good")
		})
	}
}
