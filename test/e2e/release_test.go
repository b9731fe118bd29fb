package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// target is the target system of the tests below, in a namespace of its own.
type target struct {
	t         *testing.T
	namespace string
	values    string
	images    string
}

func newTarget(t *testing.T, namespace string) target {
	envtest.Env(t, "E2E_KUBECONFIG")
	h := target{t: t, namespace: namespace, images: envtest.Env(t, "E2E_REPOSITORY") + "/" + namespace + "/backstage-production"}
	h.values = write(t, "values.yaml", "secrets:\n  postgresPassword: e2e-password\n")
	t.Cleanup(h.gone)
	return h
}

// gone takes the namespace away, whose pods would be probed until the last test has ended; that of a failure stays to be looked at.
func (h target) gone() {
	if !h.t.Failed() {
		kubectl(h.t, "delete", "namespace", h.namespace, "--ignore-not-found", "--wait=false")
	}
}

// alone leaves out what the chart has only once in a cluster, so that preflight does
// not refuse a second release of it.
func (h target) alone() target {
	h.values = write(h.t, "values.yaml", "secrets:\n  postgresPassword: e2e-password\nrbac:\n  mode: none\n")
	return h
}

func (h target) cluster() []string {
	return []string{"--release", "backstage", "--namespace", h.namespace, "--kubeconfig", envtest.Env(h.t, "E2E_KUBECONFIG"), "--output", "json"}
}

func (h target) chart() []string {
	return append(h.cluster(), "--chart", filepath.Join(envtest.Env(h.t, "E2E_ROOT"), "charts", "backstage"), "--values", h.values)
}

// run is the whole pipeline for a workspace.
func (h target) run(source, version string, extra ...string) outcome {
	return stagecrew(h.t, append(append([]string{"run",
		"--source", source, "--base-image", envtest.Env(h.t, "E2E_BASE_IMAGE"), "--repository", h.images, "--version-label", version,
		"--scan-database", envtest.Env(h.t, "E2E_DATABASE"), "--scan-cache-dir", h.t.TempDir(),
		"--sign-key", envtest.Env(h.t, "E2E_SIGN_KEY"), "--verify-key", envtest.Env(h.t, "E2E_VERIFY_KEY")}, extra...), h.chart()...)...)
}

// deploy is what the deploy stage does alone.
func (h target) deploy(image string, extra ...string) outcome {
	return stagecrew(h.t, append(append([]string{"deploy", "--image", image}, extra...), h.chart()...)...)
}

// status reads the verdicts of all revisions, newest first.
func (h target) status() []record.Revision {
	o := stagecrew(h.t, append([]string{"status"}, h.cluster()...)...)
	require.Zero(h.t, o.exit)
	var document struct{ Revisions []record.Revision }
	require.NoError(h.t, json.Unmarshal([]byte(o.stdout), &document))
	return document.Revisions
}

// workspace is a copy of the example with other contents of some files.
func workspace(t *testing.T, overlay map[string]string) string {
	t.Helper()
	return copied(t, envtest.Env(t, "E2E_SOURCE"), overlay)
}

// copied is a copy of an installed workspace with other contents of some files.
func copied(t *testing.T, source string, overlay map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	out, err := exec.CommandContext(t.Context(), "cp", "-al", source, dir).CombinedOutput()
	require.NoError(t, err, string(out))
	for name, content := range overlay {
		path := filepath.Join(dir, name)
		// The copy shares its files with the original: replace, do not write into.
		if err := os.Remove(path); err != nil {
			require.ErrorIs(t, err, os.ErrNotExist)
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	return dir
}

func TestTheMainPath(t *testing.T) {
	t.Parallel()
	h := newTarget(t, "e2e-main")

	first := h.run(workspace(t, map[string]string{"catalog/version.txt": "1.0.0"}), "1.0.0")
	require.Equal(t, 0, first.exit)
	require.Equal(t, record.VerdictGood, first.record.Verdict)
	require.Equal(t, &record.Release{Name: "backstage", Namespace: h.namespace, Revision: 1, Live: 1, LiveImage: first.record.Image.String()}, first.record.Release)
	require.Nil(t, first.record.Cause)
	targets := map[string]bool{}
	for _, c := range first.record.Checks {
		require.Equal(t, record.CheckPassed, c.Result, c)
		targets[strings.Split(c.Target, "/")[0]] = true
	}
	require.Equal(t, map[string]bool{"Pod": true, "Service": true}, targets, "each new pod, and through the Service")
	require.Contains(t, kubectl(t, "-n", h.namespace, "get", "deployment", "backstage", "-o", "jsonpath={.spec.template.spec.containers[0].image}"), first.record.Image.Digest)
	require.Contains(t, kubectl(t, "-n", h.namespace, "exec", "deployment/backstage", "-c", "backstage", "--", "id", "-u"), "1000")

	broken := h.run(workspace(t, map[string]string{"packages/backend/dist/index.cjs.js": "require('@backstage/plugin-that-nobody-installed');\n"}), "1.1.0")
	require.Equal(t, 4, broken.exit)
	require.Equal(t, record.VerdictRolledBack, broken.record.Verdict)
	require.Equal(t, "rollout/crash-loop", broken.record.Cause.Code)
	require.Contains(t, broken.record.Cause.Message, "Cannot find module '@backstage/plugin-that-nobody-installed'")
	require.Equal(t, 1, broken.record.Release.RollbackTarget)

	missing := h.deploy(h.images+"@sha256:"+strings.Repeat("1", 64), "--allow-unsigned-unsafe")
	require.Equal(t, 4, missing.exit)
	require.Equal(t, "rollout/image-not-found", missing.record.Cause.Code)
	require.Contains(t, missing.record.Cause.Message, "not found")
	require.Contains(t, firstError(missing.stderr), "not found", "the registry's cause is in the first error line")

	revisions := h.status()
	require.Equal(t, []record.Mark{"good", "bad", "good", "bad", "good"}, marks(revisions))
	for _, r := range revisions {
		require.Regexp(t, `@sha256:[0-9a-f]{64}$`, r.Image)
		require.NotZero(t, r.MarkedAt)
	}
	require.Equal(t, first.record.Image.String(), revisions[0].Image, "1.0.0 serves again")

	second := h.run(workspace(t, map[string]string{"catalog/version.txt": "1.3.0"}), "1.3.0", "--soak", "20s") // the first took the default
	require.Equal(t, 0, second.exit)
	require.NotEqual(t, first.record.Image, second.record.Image)
	back := stagecrew(t, append([]string{"rollback", "--reason", "e2e"}, h.cluster()...)...)
	require.Equal(t, 0, back.exit)
	require.Equal(t, record.VerdictGood, back.record.Verdict)
	require.Equal(t, first.record.Image, back.record.Image)

	known := stagecrew(t, append([]string{"rollback", "--to", "2"}, h.cluster()...)...)
	require.Equal(t, 1, known.exit, "a revision known bad is refused")
	require.Contains(t, known.record.Error, "rollback/known-bad")
}

// firstError is the first line of the log that is an error.
func firstError(log string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, " error: ") {
			return line
		}
	}
	return ""
}

func marks(revisions []record.Revision) []record.Mark {
	var all []record.Mark
	for _, r := range revisions {
		all = append(all, r.Verdict)
	}
	return all
}

func TestWhatIsRefusedDoesNotTouchTheCluster(t *testing.T) {
	t.Parallel()
	h := newTarget(t, "e2e-refused").alone()
	source := workspace(t, map[string]string{
		"node_modules/minimist/package.json": `{"name": "minimist", "version": "1.2.5", "license": "MIT"}`,
	})
	vulnerable := h.run(source, "0.0.1")
	require.Equal(t, 1, vulnerable.exit)
	require.Contains(t, vulnerable.record.Error, "CVE-2021-44906")
	require.Len(t, vulnerable.record.Scan.Blocking, 1)
	require.Equal(t, "1.2.6, 0.2.4", vulnerable.record.Scan.Blocking[0].FixedVersion)

	built := stagecrew(t, "build", "--source", workspace(t, nil), "--base-image", envtest.Env(t, "E2E_BASE_IMAGE"), "--repository", h.images, "--output", "json")
	require.Equal(t, 0, built.exit)
	image := built.record.Image.String()
	clean := stagecrew(t, "scan", "--image", image, "--scan-database", envtest.Env(t, "E2E_DATABASE"), "--scan-cache-dir", t.TempDir(), "--output", "json")
	require.Equal(t, 0, clean.exit)
	require.Empty(t, clean.record.Scan.Blocking)
	nowhere := stagecrew(t, "scan", "--image", image, "--scan-database", envtest.Env(t, "E2E_REPOSITORY")+"/nowhere:2", "--scan-cache-dir", t.TempDir())
	require.Equal(t, 3, nowhere.exit, "no database is not clean")

	unsigned := h.deploy(image, "--verify-key", envtest.Env(t, "E2E_VERIFY_KEY"))
	require.Equal(t, 1, unsigned.exit)
	require.Contains(t, unsigned.record.Error, "sign/no-signature")
	tag := h.deploy(h.images+":1.0.0", "--verify-key", envtest.Env(t, "E2E_VERIFY_KEY"))
	require.Equal(t, 2, tag.exit, "a tag is no input")
	require.NotContains(t, kubectl(t, "get", "namespaces", "-o", "name"), h.namespace)
}
