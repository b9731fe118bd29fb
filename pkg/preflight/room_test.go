package preflight

import (
	"testing"

	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fakediscovery "k8s.io/client-go/discovery/fake"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// https://github.com/zilliztech/milvus-operator/issues/145
func TestCheck_TheQuotaMustHoldTheRecordsOfADeployAndOfItsRollback(t *testing.T) {
	type amounts = map[corev1.ResourceName]string
	secret := "---\napiVersion: v1\nkind: Secret\nmetadata: {name: creds}\n"
	created := []record.Change{{Object: "Secret/creds", Action: "create"}}
	for name, c := range map[string]struct {
		hard, used amounts
		revision   int
		more       string
		changes    []record.Change
		want       string // "" for enough
	}{
		"room for both":               {amounts{"count/secrets": "5"}, amounts{"count/secrets": "3"}, 2, "", nil, ""},
		"room for the deploy only":    {amounts{"count/secrets": "4"}, amounts{"count/secrets": "3"}, 2, "", nil, "the record of a rollback: used are 3 of 4"},
		"a first install":             {amounts{"count/secrets": "4"}, amounts{"count/secrets": "3"}, 1, "", nil, ""},
		"room for none":               {amounts{"secrets": "3"}, amounts{"secrets": "3"}, 1, "", nil, "secrets of ResourceQuota/q: it has no room for Helm's record"},
		"the chart makes one, too":    {amounts{"count/secrets": "5"}, amounts{"count/secrets": "3"}, 2, secret, created, "the record of a rollback, Secret/creds"},
		"the chart's one is there":    {amounts{"count/secrets": "5"}, amounts{"count/secrets": "3"}, 2, secret, nil, ""},
		"other objects of the chart":  {amounts{"count/deployments.apps": "3"}, amounts{"count/deployments.apps": "3"}, 2, "", []record.Change{{Object: "Deployment/web", Action: "create"}}, "no room for Deployment/web"},
		"a quota that is not counted": {amounts{"count/secrets": "2"}, nil, 2, "", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := cluster(nil, quota(c.hard, c.used))
			fake := client.Discovery().(*fakediscovery.FakeDiscovery)
			fake.Resources = append(fake.Resources, &metav1.APIResourceList{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "secrets", Kind: "Secret", Namespaced: true}}})
			plan := record.Plan{Manifest: deployment + c.more, Changes: c.changes, Image: record.Image{Repository: "registry.test/web", Digest: "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}
			plan.Applied.Revision.Number = c.revision
			found, err := Check(t.Context(), Options{Client: client, Namespace: "prod", Release: "web"}, plan)
			require.NoError(t, err)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.NotEmpty(t, found)
			require.Equal(t, "preflight/quota", found[0].Code)
			require.True(t, found[0].Blocks)
			require.Contains(t, found[0].String(), c.want)
		})
	}
}

func TestCheck_ANamespaceOnItsWayOutBlocks(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "prod"}, Status: corev1.NamespaceStatus{Phase: corev1.NamespaceTerminating}}
	found := checked(t, cluster(nil, namespace), deployment)
	require.Len(t, found, 1)
	require.Equal(t, "preflight/namespace-terminating", found[0].Code)
	require.True(t, found[0].Blocks)
}

func TestCheck_ANamespaceThatWillBeMadeIsNamed(t *testing.T) {
	other := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "production"}}
	found := checked(t, cluster(nil, other), deployment)
	require.Len(t, found, 1)
	require.Equal(t, "preflight/namespace-new", found[0].Code)
	require.Equal(t, "Namespace/prod", found[0].Object)
	require.False(t, found[0].Blocks, "a first install makes it")
}

func TestCheck_APlanThatWasNotAllowedToEndNeverPasses(t *testing.T) {
	plan := record.Plan{Manifest: deployment, Denied: "clusterroles is forbidden"}
	codes, text := foundBy(t, plan)
	require.Equal(t, []string{"forbidden blocks"}, codes)
	require.Contains(t, text, "clusterroles is forbidden")
	client := cluster(func(a *authorizationv1.ResourceAttributes) bool { return a.Verb == "patch" || a.Resource == "leases" }, []runtime.Object{}...)
	codes, text = foundBy(t, plan, func(o *Options) { o.Client = client })
	require.Equal(t, []string{"forbidden blocks"}, codes, "everything that is missing, once")
	require.NotContains(t, text, "clusterroles is forbidden")
	require.Contains(t, text, "leases")
}

// A deployer for one namespace, and a chart with a ClusterRole.
func TestCheck_WhatTheRolesOfAChartGrantMustBeHeld(t *testing.T) {
	role := "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reader}\nrules: [{apiGroups: [''], resources: [nodes], verbs: [get, list]}]\n"
	for name, c := range map[string]struct {
		mayEscalate bool
		changes     []record.Change
		want        []string
	}{
		"it is made":      {false, []record.Change{{Object: "ClusterRole/reader", Action: "create"}}, []string{"forbidden blocks"}},
		"it is there":     {false, nil, nil},
		"it may escalate": {true, []record.Change{{Object: "ClusterRole/reader", Action: "create"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			client := cluster(func(a *authorizationv1.ResourceAttributes) bool {
				return a.Resource == "nodes" || a.Verb == "escalate" && !c.mayEscalate
			})
			codes, text := foundBy(t, record.Plan{Manifest: deployment + role, Changes: c.changes}, func(o *Options) { o.Client = client })
			require.Equal(t, c.want, codes)
			if c.want != nil {
				require.Contains(t, text, "get/list nodes (ClusterRole/reader grants it, and nobody may grant what they do not have)")
			}
		})
	}
}
