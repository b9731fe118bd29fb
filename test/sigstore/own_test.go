package sigstore

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/kube/kubetest"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan/scantest"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// A keyless `run` trusts its own workflow where no setting says whom: it signs, and finds
// its own signature. The cluster answers nobody, so that the run is at its end then.
func TestARunTrustsWhatItsOwnWorkflowHasSigned(t *testing.T) {
	b := newBench(t, false)
	dir := t.TempDir()
	database := b.registry + "/trivy-db:2"
	require.NoError(t, scantest.Push(t.Context(), database))
	image, err := crane.Image(map[string][]byte{"app/node_modules/express/package.json": []byte(`{"name":"express","version":"4.21.0"}`)})
	require.NoError(t, err)
	cluster := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(cluster.Close)
	kubeconfig := kubetest.Kubeconfig(t, cluster.URL)
	chart := filepath.Join(dir, "chart")
	require.NoError(t, os.Mkdir(chart, 0o755))
	write(t, chart, "Chart.yaml", []byte("apiVersion: v2\nname: web\nversion: 1.0.0\n"))
	result := filepath.Join(dir, "record.json")

	args := slices.Concat([]string{"run", "--built-image", b.pushed(t, image), "--repository", b.registry + "/team/backstage", "--scan-database", database, "--scan-cache-dir", filepath.Join(dir, "cache"), "--chart", chart,
		"--release", "web", "--kubeconfig", kubeconfig, "--smoke", "none", "--api-patience", "5m", "--timeout", "5m", "--insecure-registry", b.registry, "--record", result}, b.keyless())
	cmd := exec.CommandContext(t.Context(), envtest.Env(t, "E2E_STAGECREW"), args...)
	cmd.Dir = dir
	cmd.Env = slices.Concat([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, Release.Environment(), b.Environment(Release))
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var said strings.Builder
	end := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() })
	defer end.Stop()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "signature verified") {
			require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		}
	}
	_ = cmd.Wait()
	require.Equal(t, 6, cmd.ProcessState.ExitCode(), said.String())
	require.Contains(t, said.String(), "the signature must be this workflow's own")
	require.Contains(t, said.String(), Release.Identity())
	var r record.Record
	content, err := os.ReadFile(result)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &r))
	at := slices.IndexFunc(r.Phases, func(p record.Phase) bool { return p.Name == "verify" })
	require.GreaterOrEqual(t, at, 0, "%v", r.Phases)
	require.Equal(t, record.PhaseOK, r.Phases[at].Result)
}
