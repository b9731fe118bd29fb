package actions_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/test/envtest"
)

const (
	namespace = "stagecrew-actions"
	address   = "https://portal.example.com"
)

// configure writes the stagecrew.yaml of the test's application.
func configure(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	values := filepath.Join(dir, "values.yaml")
	// The other tests' releases have the cluster-wide role.
	require.NoError(t, os.WriteFile(values, []byte("secrets:\n  postgresPassword: actions-password\nrbac:\n  mode: none\n"), 0o600))
	text, err := json.Marshal(map[string]any{
		"base-image": envtest.Env(t, "E2E_BASE_IMAGE"),
		// Versions stay what they were, in a sandbox that was used before, too.
		"repository":     fmt.Sprintf("%s/%s/%d/backstage-production", envtest.Env(t, "E2E_REPOSITORY"), namespace, time.Now().UnixNano()),
		"scan-database":  envtest.Env(t, "E2E_DATABASE"),
		"scan-cache-dir": filepath.Join(dir, "scan"),
		"verify-key":     envtest.Env(t, "E2E_VERIFY_KEY"),
		"chart":          "charts/backstage",
		"release":        "backstage",
		"namespace":      namespace,
		"values":         []string{values},
		"timeout":        "5m",
	})
	require.NoError(t, err)
	file := filepath.Join(dir, "stagecrew.yaml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}

// workspace is a copy of the example with other contents of some files.
func workspace(t *testing.T, overlay map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	out, err := exec.CommandContext(t.Context(), "cp", "-al", envtest.Env(t, "E2E_SOURCE"), dir).CombinedOutput()
	require.NoError(t, err, string(out))
	for name, content := range overlay {
		path := filepath.Join(dir, name)
		// The files are hard links to the stage's.
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	return dir
}

// event writes the payload of a GitHub event.
func event(t *testing.T, payload map[string]any) string {
	t.Helper()
	text, err := json.Marshal(payload)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "event.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// settings are those of a repository on GitHub: its variables and secrets, and its API.
func settings(t *testing.T) act {
	t.Helper()
	head := strings.TrimSpace(run(t, envtest.Env(t, "E2E_ROOT"), nil, "git", "rev-parse", "HEAD"))
	return act{
		t:      t,
		vars:   map[string]string{"STAGECREW_CONFIG": configure(t), "STAGECREW_BINARY": envtest.Env(t, "E2E_STAGECREW"), "STAGECREW_URL": address},
		github: githubtest.New(t, []string{"deployments: write"}, head),
		secrets: map[string]string{
			"KUBECONFIG":    readFile(t, envtest.Env(t, "E2E_KUBECONFIG")),
			"SIGN_KEY":      readFile(t, envtest.Env(t, "E2E_SIGN_KEY")),
			"SIGN_PASSWORD": envtest.Env(t, "COSIGN_PASSWORD"),
		},
	}
}

func TestAReleaseABadReleaseAndTheRollbackButton(t *testing.T) {
	envtest.Env(t, "E2E_KUBECONFIG")
	envtest.Env(t, "ACT_BIN")
	a := settings(t)
	refused(t, a)

	a.vars["STAGECREW_SOURCE"] = workspace(t, nil)
	first := a.run("release", "-W", ".github/workflows/deploy.yml", "-e", event(t, map[string]any{
		"action": "released", "ref": "refs/tags/v1.0.0", "release": map[string]any{"tag_name": "v1.0.0"},
	}))["deploy/deploy"]
	require.Equal(t, "success", first.result, first.log)
	require.Equal(t, "good", first.outputs["verdict"])
	require.Equal(t, "1", first.outputs["live-revision"])
	require.Contains(t, first.outputs["image"], "/backstage-production@"+first.outputs["digest"])
	require.Regexp(t, `^sha256:[0-9a-f]{64}$`, first.outputs["digest"])
	require.Contains(t, first.headline(), "revision 1 is live and verified good")
	require.Contains(t, first.headline(), strings.TrimPrefix(first.outputs["digest"], "sha256:"))
	page := newPage(t, a, map[string]string{first.outputs["image"]: "first"})
	require.Equal(t, []string{"first success: revision 1 is live and verified good"}, page.shows())

	config := readFile(t, filepath.Join(envtest.Env(t, "E2E_SOURCE"), "app-config.yaml"))
	caller := settings(t)
	caller.github = a.github
	caller.vars["CALLER_CONFIG"], caller.vars["CALLER_BINARY"] = a.vars["STAGECREW_CONFIG"], a.vars["STAGECREW_BINARY"]
	caller.vars["CALLER_VERSION"], caller.vars["CALLER_SOURCE"] = "v1.1.0", workspace(t, map[string]string{"app-config.yaml": config + "\n# 1.1.0\n"})
	jobs := caller.run("push", "-W", "test/actions/testdata/caller.yml")
	second := only(t, jobs, "deploy/deploy")
	require.Equal(t, "success", second.result, second.log)
	require.Equal(t, "2", second.outputs["live-revision"])
	require.Equal(t, "1", second.outputs["previous-good"])
	require.NotEqual(t, first.outputs["digest"], second.outputs["digest"])
	page.names[second.outputs["image"]] = "second"
	require.Equal(t, []string{"first inactive", "second success: revision 2 is live and verified good"}, page.shows())
	after := only(t, jobs, "caller/after").outputs
	require.Equal(t, map[string]string{"result": "success", "verdict": "good", "image": second.outputs["image"], "live-revision": "2"}, after)

	a.vars["STAGECREW_SOURCE"], a.vars["STAGECREW_DEPLOY_ON"] = workspace(t, broken(t)), "push"
	third := a.run("push", "-W", ".github/workflows/deploy.yml", "-e", event(t, map[string]any{"ref": "refs/tags/v1.2.0"}))["deploy/deploy"]
	require.Equal(t, "failure", third.result, third.log)
	require.Equal(t, "rolled-back", third.outputs["verdict"])
	require.Equal(t, "3", third.outputs["revision"])
	require.Equal(t, "4", third.outputs["live-revision"])
	require.Regexp(t, `^rollout/[a-z-]+$`, third.outputs["cause-code"])
	require.Contains(t, third.headline(), "rolled back: revision 4, a copy of the verified-good revision 2, is live")
	require.Contains(t, third.log, "plugin-that-nobody-installed", "the log says why")

	page.names[third.outputs["image"]] = "third"
	rolledBack := []string{
		"first inactive", "second inactive",
		"third failure: revision 3 did not pass (" + third.outputs["cause-code"] + "); revision 4, a copy of 2, serves",
		"second success: serves again as revision 4, a copy of 2: revision 3 did not pass (" + third.outputs["cause-code"] + ")",
	}
	require.Equal(t, rolledBack, page.shows(), "what runs is the active one")
	require.Regexp(t, `artifact stagecrew-deploy-production-\S*-1:  run\.json`, third.log, "what is known of it outlives the runner")

	// As guides want it, and as GitHub does not mask each of its lines.
	a.secrets["KUBECONFIG"] = base64.StdEncoding.EncodeToString([]byte(a.secrets["KUBECONFIG"]))
	promoted := a.run("workflow_dispatch", "-W", ".github/workflows/deploy.yml", "--input", "image="+second.outputs["image"], "--input", "dry-run=true")["deploy/deploy"]
	require.Equal(t, "success", promoted.result, promoted.log)
	require.Contains(t, promoted.log, "Check the signature and deploy", "an image of an earlier run is not built again")
	would := a.run("workflow_dispatch", "-W", ".github/workflows/rollback.yml", "--input", "reason=may we", "--input", "dry-run=true")["rollback/rollback"]
	require.Equal(t, "success", would.result, would.log)
	require.Equal(t, rolledBack, page.shows(), "nothing was changed")

	back := a.run("workflow_dispatch", "-W", ".github/workflows/rollback.yml", "--input", "reason=users cannot log in")["rollback/rollback"]
	require.Equal(t, "success", back.result, back.log)
	require.Equal(t, "good", back.outputs["verdict"])
	require.Equal(t, first.outputs["image"], back.outputs["image"], "the release before the one that was live")
	require.Contains(t, back.headline(), "is live and verified good")
	last := page.shows()
	require.Equal(t, append(rolledBack[:3:3], "second inactive", "first success: rolled back by hand to revision 1, which serves as revision 5: users cannot log in"), last)

	cancelled, recovered := interrupted(t, a, second.outputs["image"])
	require.Equal(t, first.outputs["image"], recovered.outputs["image"])
	ended := page.shows()
	require.Equal(t, append(last[:4:4], "first inactive"), ended[:5])
	require.Len(t, ended, 7)
	require.Regexp(t, `^second error: cancelled`, ended[5])
	require.Regexp(t, `^first success: revision \d+ is live and verified good$`, ended[6])
	for _, j := range []job{first, second, third, back, cancelled, recovered} {
		require.NotContains(t, j.log, a.secrets["SIGN_PASSWORD"])
	}
}

// broken is the overlay of a release whose backend exits at its start.
func broken(t *testing.T) map[string]string {
	t.Helper()
	var manifest struct{ Main string }
	require.NoError(t, json.Unmarshal([]byte(readFile(t, filepath.Join(envtest.Env(t, "E2E_SOURCE"), "packages", "backend", "package.json"))), &manifest))
	return map[string]string{filepath.Join("packages", "backend", manifest.Main): "'use strict';\nrequire('@backstage/plugin-that-nobody-installed');\n"}
}

// only finds the job whose name ends as given: act puts the caller's before it.
func only(t *testing.T, jobs map[string]job, name string) job {
	t.Helper()
	var names []string
	for found, j := range jobs {
		if strings.HasSuffix(found, name) {
			return j
		}
		names = append(names, found)
	}
	require.FailNow(t, "no such job", "%s: have %v", name, names)
	return job{}
}

func TestEachStageIsAnActionOfItsOwn(t *testing.T) {
	envtest.Env(t, "E2E_KUBECONFIG")
	a := settings(t)
	a.vars["STAGECREW_SOURCE"] = envtest.Env(t, "E2E_SOURCE")
	a.vars["TEST_KUBECONFIG"], a.vars["TEST_SIGN_KEY"] = envtest.Env(t, "E2E_KUBECONFIG"), envtest.Env(t, "E2E_SIGN_KEY")
	stages := only(t, a.run("push", "-W", "test/actions/testdata/stages.yml"), "stages/stages")
	require.Equal(t, "success", stages.result, stages.log)
	require.Regexp(t, `^ok \S+/backstage-production@sha256:[0-9a-f]{64}$`, stages.outputs["build"])
	require.Equal(t, "ok", stages.outputs["scan"])
	require.Equal(t, "failure refused ", stages.outputs["unsigned"], "an unsigned image is refused, and no revision is made")
	require.Equal(t, "ok", stages.outputs["sign"])
	require.Equal(t, "ok", stages.outputs["verify"])
}
