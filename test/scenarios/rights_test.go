package scenarios

import (
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/test/documents"
)

// ofRights are deployers that may not do everything.
var ofRights = []reported{
	{
		name: "a deployer with the rights of admin, then of edit", source: "mkubaczyk/helmsman#83",
		steps: []step{
			{before: []deed{deployer}, smoke: checks, serves: 1},
			{before: []deed{nowAs("edit")}, serves: 2},
		},
	},
	{
		name: "a namespaced deployer, and a chart with more rights than it has", source: "helm/helm#7317",
		steps: []step{{before: []deed{deployer}, values: `
objects:
- {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: scenario-reader}, rules: []}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: mighty}, rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]}`,
			exits: []int{1}, words: []string{"clusterroles", "Role/mighty", "nodes"}, after: []deed{gone("deployments.apps/app")}}},
	},
	{
		name: "a deployer with the Role of the documents, through an update, a failure and a way back", source: "fluxcd/flux2#3164",
		steps: []step{
			{before: []deed{deployer, documented}, smoke: checks, serves: 1},
			{values: crash, exits: rolledBack, words: []string{"cannot open the database"}, serves: 1},
			{serves: 3},
			{command: "rollback", serves: 1},
		},
	},
	{
		name: "a deployer that may not delete or ask pods", source: "helm/helm#7317",
		steps: []step{{before: []deed{deployer, weak}, smoke: checks, exits: []int{1}, words: []string{"delete", "pods/portforward", "pods/log"}, after: []deed{gone("deployments.apps/app")}}},
	},
}

// deployer lets a ServiceAccount with the rights of admin in the namespace deploy.
func deployer(s *site) {
	s.t.Helper()
	_, kubeconfig := s.ownUser("admin")
	s.args = append(s.args, "--kubeconfig", kubeconfig)
}

// nowAs gives the deployer another ClusterRole in place of its own.
func nowAs(role string) deed {
	return func(s *site) {
		s.t.Helper()
		s.bind(rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role})
	}
}

// weak gives the deployer what helm itself needs, and hardly more.
func weak(s *site) {
	s.t.Helper()
	most := []string{"get", "list", "watch", "create", "update", "patch"}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "deployer"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets", "services", "configmaps"}, Verbs: most},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "replicasets"}, Verbs: most},
		{APIGroups: []string{""}, Resources: []string{"pods", "events"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "create", "update"}},
	}}
	_, err := s.kube.RbacV1().Roles(s.namespace).Create(s.ctx, role, metav1.CreateOptions{})
	require.NoError(s.t, err)
	s.bind(rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "deployer"})
}

// documented gives the deployer the Role of docs/rbac.yaml.
func documented(s *site) {
	s.t.Helper()
	role := documents.Role(s.t)
	role.Namespace = s.namespace
	_, err := s.kube.RbacV1().Roles(s.namespace).Create(s.ctx, &role, metav1.CreateOptions{})
	require.NoError(s.t, err)
	s.bind(rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name})
}

// bind gives the deployer a role in place of any other.
func (s *site) bind(role rbacv1.RoleRef) {
	s.t.Helper()
	bindings := s.kube.RbacV1().RoleBindings(s.namespace)
	require.NoError(s.t, bindings.DeleteCollection(s.ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "deployer"}, RoleRef: role,
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "deployer", Namespace: s.namespace}}}
	_, err := bindings.Create(s.ctx, binding, metav1.CreateOptions{})
	require.NoError(s.t, err)
}
