package scenarios

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

// In the second minute of a wait only watches that the server ended are begun
// again, and the lock is renewed.
const (
	moreRequests = 10
	renewals     = 26 // every 5 s, a read and a write, and one to spare
)

func TestRequestsOfAWaitDoNotGrowWithTime(t *testing.T) {
	beside(t)
	status := stageSandbox(t)
	r := &result.Result{Group: result.Requests, Name: "a wait of two minutes", Limit: moreRequests}
	report(t, r)
	s := scenario{name: "requests"}.prepare(t)
	user, kubeconfig := s.ownUser("cluster-admin")
	s.args = []string{"--kubeconfig", kubeconfig, "--timeout", "4m"}
	o := s.deploy(2, `{spec: {replicas: 1}, container: {readinessProbe: {initialDelaySeconds: 130}}}`).recorded()
	require.Zero(t, o.exit)

	from := o.phase("watch").Start
	require.Greater(t, o.phase("watch").End.Sub(from), 2*time.Minute, "the wait was long enough")
	minutes := [2]map[string]int{{}, {}}
	for _, e := range auditOf(t, status.AuditLog, user) {
		if minute := int(e.RequestReceivedTimestamp.Sub(from) / time.Minute); !e.RequestReceivedTimestamp.Before(from) && minute < 2 {
			minutes[minute][e.Verb+" "+e.ObjectRef.Resource]++
		}
	}
	t.Logf("first minute: %v", minutes[0])
	t.Logf("second minute: %v", minutes[1])
	lease := func(m map[string]int) int { return m["get leases"] + m["update leases"] + m["patch leases"] }
	for _, m := range minutes {
		r.Values = append(r.Values, float64(sum(m)-lease(m)))
	}
	r.Asked = lease(minutes[1])
	r.End = listed(minutes[1])
	require.LessOrEqual(t, r.Values[1], float64(moreRequests), r.End)
	require.LessOrEqual(t, r.Asked, renewals, r.End)
	require.NotZero(t, r.Asked, "the lock is renewed: the log was read")
}

func sum(counts map[string]int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}

func listed(counts map[string]int) (text string) {
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		text += fmt.Sprintf("%d %s, ", counts[what], what)
	}
	return text
}

// ownUser makes a user for this deploy alone, with a ClusterRole in the namespace, so
// that its requests can be told from those of others. It gives the user's name and kubeconfig.
func (s *site) ownUser(role string) (user, kubeconfig string) {
	s.t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "deployer"}}
	_, err := s.kube.CoreV1().ServiceAccounts(s.namespace).Create(s.ctx, account, metav1.CreateOptions{})
	require.NoError(s.t, err)
	s.bind(rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role})
	token, err := s.kube.CoreV1().ServiceAccounts(s.namespace).CreateToken(s.ctx, "deployer", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(s.t, err)

	config := clientcmdapi.NewConfig()
	config.Clusters["stage"] = &clientcmdapi.Cluster{Server: s.config.Host, CertificateAuthorityData: s.config.CAData}
	config.AuthInfos["deployer"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts["stage"] = &clientcmdapi.Context{Cluster: "stage", AuthInfo: "deployer"}
	config.CurrentContext = "stage"
	kubeconfig = s.write("kubeconfig.yaml", "")
	require.NoError(s.t, clientcmd.WriteToFile(*config, kubeconfig))
	return fmt.Sprintf("system:serviceaccount:%s:deployer", s.namespace), kubeconfig
}

// audited is what counts of a line of the API server's audit log.
type audited struct {
	AuditID                  string
	Verb                     string
	User                     struct{ Username string }
	ObjectRef                struct{ Resource, Subresource string }
	RequestReceivedTimestamp time.Time
}

// auditOf reads one user's requests; a watch has a line at its begin and at its end.
func auditOf(t *testing.T, file, user string) map[string]audited {
	t.Helper()
	log, err := os.Open(file)
	require.NoError(t, err)
	defer log.Close()
	requests := map[string]audited{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a audited
		require.NoError(t, json.Unmarshal(lines.Bytes(), &a))
		if a.User.Username == user {
			requests[a.AuditID] = a
		}
	}
	require.NoError(t, lines.Err())
	return requests
}
