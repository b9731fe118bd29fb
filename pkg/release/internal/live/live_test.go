package live

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/livetest"
)

var portal = Owner{Name: "portal", Namespace: "backstage"}

func object(kind, namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion("v1")
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func marked(labels, annotations map[string]string) *unstructured.Unstructured {
	o := object("ConfigMap", "backstage", "web")
	o.SetLabels(labels)
	o.SetAnnotations(annotations)
	return o
}

func madeFor(kind, name string) *unstructured.Unstructured {
	o := marked(nil, nil)
	o.SetOwnerReferences([]metav1.OwnerReference{{Kind: kind, Name: name}})
	return o
}

func TestWhoseAnObjectIs(t *testing.T) {
	helm, ours := map[string]string{"app.kubernetes.io/managed-by": "Helm"}, map[string]string{"meta.helm.sh/release-name": "portal", "meta.helm.sh/release-namespace": "backstage"}
	for name, c := range map[string]struct {
		object *unstructured.Unstructured
		owns   bool
		whose  string
	}{
		"Helm made it":                                 {marked(helm, ours), true, `belongs to the Helm release "portal" in namespace "backstage", which loses it then`},
		"nothing is said (apache/airflow#18933)":       {marked(nil, nil), false, "belongs to no Helm release"},
		"an operator's (roboll/helmfile#1668)":         {marked(map[string]string{"app.kubernetes.io/managed-by": "tidb-operator"}, nil), false, `is managed by "tidb-operator"`},
		"of a controller (linkerd/linkerd2#7394)":      {madeFor("ExternalSecret", "db"), false, "was made for ExternalSecret/db, and goes with it"},
		"the label without the annotations":            {marked(helm, nil), false, "belongs to no Helm release"},
		"the annotations without the label":            {marked(nil, ours), false, `belongs to the Helm release "portal" in namespace "backstage", which loses it then`},
		"the same name in another namespace":           {marked(helm, map[string]string{"meta.helm.sh/release-name": "portal", "meta.helm.sh/release-namespace": "other"}), false, `belongs to the Helm release "portal" in namespace "other", which loses it then`},
		"of a chart with the label in its own letters": {marked(map[string]string{"app.kubernetes.io/managed-by": "helm"}, ours), false, `belongs to the Helm release "portal" in namespace "backstage", which loses it then`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.owns, portal.Owns(c.object))
			require.Equal(t, c.whose, Whose(c.object))
			portal.Claim(c.object)
			require.True(t, portal.Owns(c.object))
		})
	}
	foreign := marked(map[string]string{"app": "web"}, map[string]string{"note": "ours"})
	portal.Claim(foreign)
	require.Equal(t, "web", foreign.GetLabels()["app"], "what else it says stays")
	require.Equal(t, "ours", foreign.GetAnnotations()["note"])
	require.True(t, IsKept(marked(nil, map[string]string{"helm.sh/resource-policy": "keep"})))
	require.False(t, IsKept(marked(nil, map[string]string{"helm.sh/resource-policy": "delete"})))
}

func TestTheCommandsOfAnAdoptionFitTheObject(t *testing.T) {
	server := &livetest.Server{}
	role := object("ClusterRole", "", "reader")
	role.SetAPIVersion("rbac.authorization.k8s.io/v1")
	require.Equal(t, `  kubectl label clusterroles.rbac.authorization.k8s.io reader --overwrite app.kubernetes.io/managed-by=Helm
  kubectl annotate clusterroles.rbac.authorization.k8s.io reader --overwrite meta.helm.sh/release-name=portal meta.helm.sh/release-namespace=backstage`, portal.Adoption(server.Info(role)))
	require.Contains(t, portal.Adoption(server.Info(object("ConfigMap", "backstage", "web"))), "kubectl label configmaps web --namespace backstage --overwrite")
}

func TestManyObjectsOfAKindAreReadByOneRequest(t *testing.T) {
	server := &livetest.Server{}
	var all []*unstructured.Unstructured
	for i := range 5 {
		all = append(all, object("ConfigMap", "backstage", fmt.Sprintf("c%d", i)))
	}
	few := []*unstructured.Unstructured{object("Secret", "backstage", "s"), object("ConfigMap", "other", "c0")}
	server.Put(all[:4]...)
	server.Put(few...)
	found := Read(t.Context(), server.Infos(append(all, few...)...))
	require.Equal(t, []string{"GET /namespaces/backstage/configmaps"}, server.Requests())
	for i := range 4 {
		require.Equal(t, all[i].GetName(), found[i].GetName())
		require.Equal(t, "ConfigMap", found[i].GetKind())
	}
	require.Nil(t, found[4], "it is not there")
	require.Equal(t, []*unstructured.Unstructured{nil, nil}, found[5:], "they are to be asked for by themselves")
}

func TestExactlyTheObjectThatWasSeenIsDeleted(t *testing.T) {
	server := &livetest.Server{}
	seen, now := object("ConfigMap", "backstage", "web"), object("ConfigMap", "backstage", "web")
	seen.SetUID("1")
	now.SetUID("2")
	server.Put(now)
	require.True(t, apierrors.IsConflict(Delete(server.Info(seen), metav1.DeletePropagationBackground)), "somebody has made it anew")
	require.True(t, server.Has(now))
	got, err := Get(server.Info(seen))
	require.NoError(t, err)
	require.NoError(t, Delete(With(server.Info(seen), got), metav1.DeletePropagationBackground))
	require.False(t, server.Has(now))
	_, err = Get(server.Info(seen))
	require.True(t, apierrors.IsNotFound(err))
	require.NoError(t, IgnoreMissing(err))
	require.Error(t, IgnoreMissing(errors.New("no")))
}

func TestEachObjectHasItsTurnWhateverBecomesOfTheOthers(t *testing.T) {
	infos := (&livetest.Server{}).Infos(object("ConfigMap", "a", "0"), object("ConfigMap", "a", "1"), object("ConfigMap", "a", "2"))
	turns := make([]bool, len(infos))
	no := errors.New("no")
	err := Each(t.Context(), infos, func(i int, _ *resource.Info) error {
		turns[i] = true
		if i == 0 {
			panic("broken")
		}
		return no
	})
	require.Equal(t, []bool{true, true, true}, turns)
	require.ErrorIs(t, err, no)
	require.ErrorAs(t, err, new(*record.Panicked))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Each(over, infos, func(int, *resource.Info) error { panic("nobody's turn any more") }), context.Canceled)
}

func TestAnObjectIsTheSameInAnyVersionOfItsKind(t *testing.T) {
	server := &livetest.Server{}
	old, next := object("Ingress", "backstage", "web"), object("Ingress", "backstage", "web")
	old.SetAPIVersion("networking.k8s.io/v1beta1")
	next.SetAPIVersion("networking.k8s.io/v1")
	other := object("Ingress", "backstage", "web")
	other.SetAPIVersion("traefik.io/v1")
	require.Equal(t, Key(server.Info(old)), Key(server.Info(next)))
	require.NotEqual(t, Key(server.Info(old)), Key(server.Info(other)))
	require.Equal(t, "Ingress/web", Name(server.Info(old)))
	copies := Copies(server.Infos(old))
	copies[0].Object.(*unstructured.Unstructured).SetName("changed")
	require.Equal(t, "web", old.GetName())
}
