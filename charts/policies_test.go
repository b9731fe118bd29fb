package charts_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

func policy(t *testing.T, documents map[string]document, name string) networkingv1.NetworkPolicySpec {
	t.Helper()
	require.Contains(t, documents, "NetworkPolicy/"+name)
	var p networkingv1.NetworkPolicy
	require.NoError(t, yaml.UnmarshalStrict([]byte(documents["NetworkPolicy/"+name].text), &p))
	return p.Spec
}

// peer is who is at the other end: a pod, or an address outside.
type peer struct {
	namespace, cidr string
	labels          labels.Set
	port            int32
}

// backstage is the namespace of the release.
const home = "backstage"

func (p peer) is(t *testing.T, peers []networkingv1.NetworkPolicyPeer) bool {
	t.Helper()
	return len(peers) == 0 || slices.ContainsFunc(peers, func(one networkingv1.NetworkPolicyPeer) bool {
		if one.IPBlock != nil {
			return one.IPBlock.CIDR == p.cidr
		}
		if one.NamespaceSelector == nil && p.namespace != home {
			return false
		}
		namespace := labels.Set{"kubernetes.io/metadata.name": p.namespace}
		return p.cidr == "" && chosen(t, one.NamespaceSelector, namespace) && chosen(t, one.PodSelector, p.labels)
	})
}

func chosen(t *testing.T, selector *metav1.LabelSelector, of labels.Set) bool {
	t.Helper()
	if selector == nil {
		return true
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	require.NoError(t, err)
	return s.Matches(of)
}

func (p peer) on(ports []networkingv1.NetworkPolicyPort) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(port networkingv1.NetworkPolicyPort) bool { return port.Port.IntVal == p.port })
}

func (p peer) getsIn(t *testing.T, spec networkingv1.NetworkPolicySpec) bool {
	t.Helper()
	return slices.ContainsFunc(spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool { return p.is(t, r.From) && p.on(r.Ports) })
}

func (p peer) isReached(t *testing.T, spec networkingv1.NetworkPolicySpec) bool {
	t.Helper()
	return slices.ContainsFunc(spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool { return p.is(t, r.To) && p.on(r.Ports) })
}

func TestOnlyWhoIsNamedReachesBackstage(t *testing.T) {
	own := `
metrics: {port: 9500}
networkPolicy:
  ingressNamespaces: [edge, edge-internal]
  metricsNamespaces: [prometheus]
  apiServer: {addresses: [10.0.0.4/32]}
  extraPeers: [{namespaceSelector: {}, podSelector: {matchLabels: {app: crawler}}}]
`
	client := labels.Set{"backstage-client": "true"}
	for name, c := range map[string]struct {
		values string
		peer   peer
		want   bool
	}{
		"the ingress controller":                      {`{}`, peer{namespace: "ingress-nginx", port: 7007}, true},
		"Prometheus":                                  {`{}`, peer{namespace: "monitoring", port: 9464}, true},
		"the API server by its pods":                  {`{}`, peer{namespace: "kube-system", port: 7007}, true},
		"the API server by its address, not told":     {`{}`, peer{cidr: "10.0.0.4/32", port: 7007}, false},
		"the API server by its address":               {own, peer{cidr: "10.0.0.4/32", port: 7007}, true},
		"a test in the namespace":                     {`{}`, peer{namespace: home, labels: client, port: 7007}, true},
		"the same label elsewhere":                    {`{}`, peer{namespace: "other", labels: client, port: 7007}, false},
		"any pod of the namespace":                    {`{}`, peer{namespace: home, port: 7007}, false},
		"the database":                                {`{}`, peer{namespace: home, labels: labels.Set{"app": "psql-postgresql"}, port: 7007}, false},
		"another namespace":                           {`{}`, peer{namespace: "other", port: 7007}, false},
		"an address outside":                          {`{}`, peer{cidr: "0.0.0.0/0", port: 7007}, false},
		"another port":                                {`{}`, peer{namespace: "ingress-nginx", port: 9229}, false},
		"another controller":                          {own, peer{namespace: "edge-internal", port: 7007}, true},
		"the controller of the defaults":              {own, peer{namespace: "ingress-nginx", port: 7007}, false},
		"another Prometheus, on the port of metrics":  {own, peer{namespace: "prometheus", port: 9500}, true},
		"another Prometheus, on Backstage's":          {own, peer{namespace: "prometheus", port: 7007}, false},
		"the controller, on the port of metrics":      {own, peer{namespace: "edge", port: 9500}, false},
		"a further peer":                              {own, peer{namespace: "other", labels: labels.Set{"app": "crawler"}, port: 7007}, true},
		"Prometheus, when there is nothing to scrape": {`{metrics: {scrape: false}}`, peer{namespace: "monitoring", port: 9464}, false},
		"the ingress controller, with another port":   {`{containerPort: 8080}`, peer{namespace: "ingress-nginx", port: 8080}, true},
	} {
		t.Run(name, func(t *testing.T) {
			spec := policy(t, mustRender(t, c.values), "backstage")
			require.Equal(t, labels.Set{"app": "backstage"}, labels.Set(spec.PodSelector.MatchLabels))
			require.Equal(t, c.want, c.peer.getsIn(t, spec))
		})
	}
}

func TestOnlyBackstageReachesTheDatabase(t *testing.T) {
	documents := mustRender(t)
	spec := policy(t, documents, "psql-postgresql")
	require.Equal(t, labels.Set{"app": "psql-postgresql"}, labels.Set(spec.PodSelector.MatchLabels))
	// The init container that waits has them, too (the seed's repository, a7175e6: a policy that cut it off).
	pods, ok := at(t, documents[deployment].object, "spec.template.metadata.labels").(map[string]any)
	require.True(t, ok)
	backstage := labels.Set{}
	for key, value := range pods {
		backstage[key], _ = value.(string)
	}
	for name, c := range map[string]struct {
		peer peer
		want bool
	}{
		"Backstage and its init container": {peer{namespace: home, labels: backstage, port: 5432}, true},
		"another port":                     {peer{namespace: home, labels: backstage, port: 22}, false},
		"any pod of the namespace":         {peer{namespace: home, port: 5432}, false},
		"a test that may ask Backstage":    {peer{namespace: home, labels: labels.Set{"backstage-client": "true"}, port: 5432}, false},
		"the same labels elsewhere":        {peer{namespace: "other", labels: backstage, port: 5432}, false},
		"the ingress controller":           {peer{namespace: "ingress-nginx", port: 5432}, false},
		"an address outside":               {peer{cidr: "0.0.0.0/0", port: 5432}, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, c.peer.getsIn(t, spec)) })
	}
	require.Contains(t, spec.PolicyTypes, networkingv1.PolicyTypeEgress)
	require.Empty(t, spec.Egress, "the database connects to nothing")
	backup := `{networkPolicy: {database: {extraPeers: [{podSelector: {matchLabels: {app: backup}}}]}}}`
	require.True(t, peer{namespace: home, labels: labels.Set{"app": "backup"}, port: 5432}.getsIn(t, policy(t, mustRender(t, backup), "psql-postgresql")))
}

func TestBackstageConnectsToWhatItNeeds(t *testing.T) {
	external := `{postgresql: {enabled: false}, config: {postgresHost: db.example.com, postgresPort: 6432}`
	db := labels.Set{"app": "psql-postgresql"}
	for name, c := range map[string]struct {
		values string
		peer   peer
		want   bool
	}{
		"DNS": {`{}`, peer{namespace: "kube-system", port: 53}, true},
		// Behind a Service with port 53 the pods listen on 5353: nmstate/kubernetes-nmstate#1570
		"DNS of OpenShift":                  {`{}`, peer{namespace: "openshift-dns", port: 5353}, true},
		"DNS on a port that is told":        {`{networkPolicy: {egress: {dnsPorts: [1053]}}}`, peer{namespace: "kube-system", port: 1053}, true},
		"DNS on the node":                   {`{}`, peer{cidr: "169.254.20.10/32", port: 53}, true},
		"DNS that is named":                 {`{networkPolicy: {egress: {dnsPeers: [{ipBlock: {cidr: 10.0.0.10/32}}]}}}`, peer{cidr: "10.0.0.10/32", port: 53}, true},
		"other DNS":                         {`{networkPolicy: {egress: {dnsPeers: [{ipBlock: {cidr: 10.0.0.10/32}}]}}}`, peer{cidr: "8.8.8.8/32", port: 53}, false},
		"its database":                      {`{}`, peer{namespace: home, labels: db, port: 5432}, true},
		"another database":                  {`{}`, peer{namespace: "other", labels: db, port: 5432}, false},
		"a database outside":                {`{}`, peer{cidr: "10.1.1.1/32", port: 5432}, false},
		"its database elsewhere":            {external + `}`, peer{cidr: "10.1.1.1/32", port: 6432}, true},
		"its database, named":               {external + `, networkPolicy: {egress: {databasePeers: [{ipBlock: {cidr: 10.1.1.1/32}}]}}}`, peer{cidr: "10.1.1.1/32", port: 6432}, true},
		"another than the named":            {external + `, networkPolicy: {egress: {databasePeers: [{ipBlock: {cidr: 10.1.1.1/32}}]}}}`, peer{cidr: "10.1.1.2/32", port: 6432}, false},
		"GitHub":                            {`{}`, peer{cidr: "140.82.121.6/32", port: 443}, true},
		"GitHub without HTTPS":              {`{}`, peer{cidr: "140.82.121.6/32", port: 80}, false},
		"HTTPS forbidden, and no API":       {`{rbac: {mode: none}, networkPolicy: {egress: {httpsPorts: []}}}`, peer{cidr: "140.82.121.6/32", port: 443}, false},
		"the API server":                    {`{}`, peer{cidr: "10.0.0.4/32", port: 6443}, true},
		"the API server, without a role":    {`{rbac: {mode: none}}`, peer{cidr: "10.0.0.4/32", port: 6443}, false},
		"the API server by its address":     {`{networkPolicy: {apiServer: {addresses: [10.0.0.4/32]}}}`, peer{cidr: "10.0.0.4/32", port: 6443}, true},
		"another port 6443":                 {`{networkPolicy: {apiServer: {addresses: [10.0.0.4/32]}}}`, peer{cidr: "10.0.0.5/32", port: 6443}, false},
		"a Service of the cluster":          {`{}`, peer{namespace: "argocd", port: 8080}, false},
		"one that is allowed":               {`{networkPolicy: {egress: {extraRules: [{to: [{namespaceSelector: {}}], ports: [{port: 8080}]}]}}}`, peer{namespace: "argocd", port: 8080}, true},
		"the metadata service of the cloud": {`{}`, peer{cidr: "169.254.169.254/32", port: 80}, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.peer.isReached(t, policy(t, mustRender(t, c.values), "backstage")))
		})
	}
	free := policy(t, mustRender(t, `{networkPolicy: {restrictEgress: false}}`), "backstage")
	require.Equal(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, free.PolicyTypes)
}

func TestOneSwitchTakesThePoliciesAway(t *testing.T) {
	for key := range mustRender(t, `{networkPolicy: {enabled: false}}`) {
		require.NotContains(t, key, "NetworkPolicy")
	}
	for key := range mustRender(t, `{postgresql: {enabled: false}, config: {postgresHost: db.example.com}}`) {
		require.NotEqual(t, "NetworkPolicy/psql-postgresql", key)
	}
}

// A policy for all pods of the namespace keeps cert-manager's solver from answering, and no
// certificate is issued or renewed: cert-manager/cert-manager#3968, #2334, #8875.
func TestNoPolicyIsForPodsOfOthers(t *testing.T) {
	documents := mustRender(t)
	for _, name := range []string{"backstage", "psql-postgresql"} {
		selector := policy(t, documents, name).PodSelector
		require.False(t, chosen(t, &selector, labels.Set{"acme.cert-manager.io/http01-solver": "true"}), name)
	}
}
