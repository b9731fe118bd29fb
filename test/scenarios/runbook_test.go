package scenarios

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/test/documents"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// Whoever is on call copies the commands of the runbook, from above to below: none may need a
// flag that is not in it (helm/helm#1921, helm/helm#1357, codacy/chart#461).
func TestTheConsolesOfTheRunbookWork(t *testing.T) {
	programs := map[string]string{"stagecrew": envtest.Env(t, "E2E_STAGECREW"), "helm": helmProgram(t)}
	beside(t)
	s := newSite(t, "runbook")
	s.smoke = s.write("smoke.yaml", checks)
	for version := 1; version <= 2; version++ {
		require.Zero(t, s.deploy(version, "").recorded().exit)
	}

	bin := t.TempDir()
	for name, program := range programs {
		require.NoError(t, os.Symlink(program, filepath.Join(bin, name)))
	}
	env := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "KUBECONFIG=" + envtest.Env(t, "E2E_KUBECONFIG"),
		"STAGECREW_SMOKE=" + s.smoke, "STAGECREW_SOAK=0s", "STAGECREW_ALLOW_UNSIGNED_UNSAFE=true"}
	here := strings.NewReplacer("production", s.namespace, "stagecrew-backstage", "stagecrew-"+release, " backstage 7 ", " "+release+" 1 ",
		" backstage ", " "+release+" ", " --verify-key cosign.pub", "") // of images that are not signed here
	called := map[string]bool{}
	for _, console := range documents.Fenced(t, "docs/runbook.md", "console") {
		for line := range strings.Lines(console) {
			line = here.Replace(strings.TrimSpace(line) + " ")
			program, _, _ := strings.Cut(line, " ")
			called[program] = true
			before := s.revisions()[0].Number
			o := start(t, "sh", env, "-c", line).wait()
			require.Zero(t, o.exit, "%s\n%s%s", line, o.stdout, o.stderr)
			goesBack := strings.Contains(line, "rollback") && !strings.Contains(line, "--dry-run")
			require.Equal(t, goesBack, s.revisions()[0].Number > before, line)
		}
	}
	require.Equal(t, []string{"helm", "kubectl", "stagecrew"}, slices.Sorted(maps.Keys(called)))
	s.serves(1)
	_, err := s.kube.CoordinationV1().Leases(s.namespace).Get(s.ctx, "stagecrew-"+release, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "the last one takes the lock away: %v", err)
}
