package preflight

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fakediscovery "k8s.io/client-go/discovery/fake"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/documents"
)

func allows(r rbacv1.PolicyRule, a *authorizationv1.ResourceAttributes) bool {
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	return slices.Contains(r.APIGroups, a.Group) && slices.Contains(r.Resources, resource) && slices.Contains(r.Verbs, a.Verb)
}

// withoutRoles are the objects of a manifest that are no cluster roles or bindings.
func withoutRoles(manifest string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(manifest, "---\n"), func(part string) bool {
		return strings.Contains(part, "kind: ClusterRole")
	}), "---\n")
}

// What others were told by a deployer with too little, one verb after the other:
// helm/helm#7317, fluxcd/flux2#3164.
func TestTheRoleInTheDocumentsIsEnoughForTheChartAndHoldsNothingElse(t *testing.T) {
	rules := documents.Role(t).Rules
	asked := map[int]map[string]bool{}
	client := cluster(func(a *authorizationv1.ResourceAttributes) bool {
		allowed := false
		for i, r := range rules {
			if allows(r, a) {
				allowed = true
				if asked[i] == nil {
					asked[i] = map[string]bool{}
				}
				asked[i][a.Verb] = true
			}
		}
		return !allowed
	})
	client.Discovery().(*fakediscovery.FakeDiscovery).Resources = []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "configmaps", Kind: "ConfigMap", Namespaced: true}, {Name: "secrets", Kind: "Secret", Namespaced: true},
			{Name: "serviceaccounts", Kind: "ServiceAccount", Namespaced: true}, {Name: "services", Kind: "Service", Namespaced: true}}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{
			{Name: "deployments", Kind: "Deployment", Namespaced: true}, {Name: "statefulsets", Kind: "StatefulSet", Namespaced: true}}},
		{GroupVersion: "networking.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "networkpolicies", Kind: "NetworkPolicy", Namespaced: true}}},
	}
	manifest, err := os.ReadFile("../../charts/testdata/defaults.yaml")
	require.NoError(t, err)
	found, err := Check(t.Context(), Options{Client: client, Namespace: "prod", Release: "web", Forwarding: true, Timeout: 10 * time.Minute, RollbackTimeout: 5 * time.Minute},
		record.Plan{Manifest: withoutRoles(string(manifest))})
	require.NoError(t, err)
	for _, concern := range found {
		require.NotEqual(t, "preflight/forbidden", concern.Code, "%s; %s", concern.Message, concern.Advice)
	}
	for i, r := range rules {
		if slices.Contains(r.Resources, "resourcequotas") {
			continue // read without asking first
		}
		for _, verb := range r.Verbs {
			require.True(t, asked[i][verb], "nothing asks for %s %v: the Role gives too much", verb, r.Resources)
		}
	}
}
