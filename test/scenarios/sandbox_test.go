package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// sandbox is what `sandbox status` says about the stage's cluster.
type sandbox struct{ Kubeconfig, Registry, AuditLog, RegistryHosts string }

func stageSandbox(t *testing.T) sandbox {
	t.Helper()
	var status sandbox
	out, err := exec.CommandContext(t.Context(), envtest.Env(t, "E2E_SANDBOX"), "status", "--name", envtest.Env(t, "E2E_SANDBOX_NAME"), "--output", "json").Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &status))
	return status
}

// flakyRegistry puts a proxy before the sandbox's registry that answers 503 from
// the first request on for a while. It gives the host's name in image references.
func (s *site) flakyRegistry(broken time.Duration) (host string) {
	s.t.Helper()
	s.registryAt("flaky.test", func(registry string) http.Handler { return flaky(registry, broken) })
	return "flaky.test"
}

// registryAt answers for a host of image references; the handler is made of the address of
// the sandbox's own registry.
func (s *site) registryAt(host string, handler func(registry string) http.Handler) {
	s.t.Helper()
	status := stageSandbox(s.t)
	// The address of the host as the node sees it.
	connection, err := net.Dial("tcp", status.Registry)
	require.NoError(s.t, err)
	address := connection.LocalAddr().(*net.TCPAddr).IP.String()
	connection.Close()
	listener, err := net.Listen("tcp", address+":0")
	require.NoError(s.t, err)
	server := &http.Server{Handler: handler(status.Registry), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()

	dir := filepath.Join(status.RegistryHosts, host)
	require.NoError(s.t, os.MkdirAll(dir, 0o755))
	hosts := fmt.Sprintf("server = %[1]q\n[host.%[1]q]\ncapabilities = [\"pull\", \"resolve\"]\n", "http://"+listener.Addr().String())
	require.NoError(s.t, os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(hosts), 0o644))
	s.atEnd(func(context.Context) error {
		server.Close()
		return os.RemoveAll(dir)
	})
}

func flaky(registry string, broken time.Duration) http.Handler {
	// SetURL also asks for the registry by its own name.
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "https", Host: registry}) }}
	first := sync.OnceValue(time.Now)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if time.Since(first()) < broken {
			http.Error(w, "upstream connect error", http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// kill ends a process of the sandbox's node; its supervisor starts it again. The
// test does not end before the API server answers.
func (s *site) kill(name string) {
	s.t.Helper()
	s.atEnd(func(ctx context.Context) error {
		s.until("the API server", func() bool {
			return s.kube.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
		})
		return nil
	})
	require.Equal(s.t, 1, envtest.Signal(s.t, syscall.SIGKILL, s.component(name)), "processes %s of the sandbox", name)
}

// hangs stops the kubelet, which goes on when the test is over at the latest.
func hangs(s *site) {
	s.t.Helper()
	kubelet := s.component("kubelet")
	s.atEnd(func(ctx context.Context) error {
		envtest.Signal(s.t, syscall.SIGCONT, kubelet)
		s.until("a node that takes pods", func() bool {
			nodes, err := s.kube.CoreV1().Nodes().List(context.WithoutCancel(ctx), metav1.ListOptions{})
			return err == nil && !slices.ContainsFunc(nodes.Items, func(n corev1.Node) bool { return len(n.Spec.Taints) > 0 })
		})
		return nil
	})
	require.Equal(s.t, 1, envtest.Signal(s.t, syscall.SIGSTOP, kubelet))
}

// goesOn ends what [hangs] began.
func goesOn(s *site) {
	s.t.Helper()
	require.Equal(s.t, 1, envtest.Signal(s.t, syscall.SIGCONT, s.component("kubelet")))
}

// component finds the process of a component of the cluster.
func (s *site) component(name string) func(envtest.Process) bool {
	s.t.Helper()
	dir := filepath.Dir(stageSandbox(s.t).Kubeconfig) + "/"
	return func(p envtest.Process) bool {
		return strings.HasPrefix(p.Command, name+"\x00") && strings.Contains(p.Command, dir)
	}
}
