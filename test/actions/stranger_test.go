package actions_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// portal is the namespace and the release, as init names them after the repository.
const portal = "stranger-portal"

// A newcomer's first two minutes: a Backstage in a repository of its own, `stagecrew
// init`, what init says is left to do, a release. The workflow is the one that init
// wrote, which is that of the README, with `@v1` in it.
func TestAStrangersFirstRelease(t *testing.T) {
	envtest.Env(t, "E2E_KUBECONFIG")
	dir := stranger(t)
	out := run(t, dir, nil, envtest.Env(t, "E2E_STAGECREW"), "init")
	for _, step := range []string{"copy charts/backstage of https://github.com/stagecrew/stagecrew", "secrets.existingSecret", "KUBECONFIG"} {
		require.Contains(t, out, step, "what is left to do names it")
	}
	finish(t, dir)
	run(t, dir, nil, envtest.Env(t, "E2E_STAGECREW"), "init", "--check")
	a := publishedAs(t, "v1")
	a.dir = dir
	a.secrets = map[string]string{"KUBECONFIG": readFile(t, envtest.Env(t, "E2E_KUBECONFIG"))}
	// A version stays what it was, in a sandbox that was used before, too.
	version := fmt.Sprintf("v1.0.%d", time.Now().Unix())
	jobs := a.run("release", "-W", ".github/workflows/deploy.yml", "-e", event(t, map[string]any{
		"action": "released", "ref": "refs/tags/" + version, "release": map[string]any{"tag_name": version},
	}))
	require.Equal(t, "success", jobs["deploy/build"].result, jobs["deploy/build"].log)
	deploy := jobs["deploy/deploy"]
	require.Equal(t, "success", deploy.result, deploy.log)

	image := live(t)
	require.Regexp(t, `/team/`+portal+`@sha256:[0-9a-f]{64}$`, image)
	require.Contains(t, deploy.headline(), "revision 1 is live and verified good")
	require.Contains(t, deploy.headline(), strings.TrimPrefix(image[strings.Index(image, "@"):], "@sha256:"))
	require.Contains(t, deploy.summaries[0], "gantt", "the rollout as a picture")
}

// stranger is a repository with the example, which create-app could have made, and
// nothing of stagecrew.
func stranger(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), portal)
	script := `git init -q -b main "$DIR" && cd "$DIR" && git remote add origin "https://github.com/team/$NAME"
(cd "$ROOT/examples/minimal" && git ls-files -z | tar --null -T - -c) | tar -x
printf 'node_modules\n' >.gitignore`
	run(t, t.TempDir(), []string{"DIR=" + dir, "NAME=" + portal, "ROOT=" + envtest.Env(t, "E2E_ROOT")}, "bash", "-euo", "pipefail", "-c", script)
	return dir
}

// finish does what init says is left to do. Registry, base image and scan database are
// the sandbox's. Keyless signing needs GitHub, so that a key is given instead; and the
// address of users leads nowhere here.
func finish(t *testing.T, dir string) {
	t.Helper()
	for from, to := range map[string]string{
		"ghcr.io/team":        envtest.Env(t, "E2E_REPOSITORY") + "/team",
		"# chart: charts/":    "chart: charts/backstage # ",
		"# values: [":         "values: [",
		"verify-identity-reg": "# verify-identity-reg",
		"verify-issuer: ":     "verify-key: " + envtest.Env(t, "E2E_VERIFY_KEY") + " # ",
	} {
		settings := readFile(t, filepath.Join(dir, "stagecrew.yaml"))
		require.Equal(t, 1, strings.Count(settings, from), "%s\n%s", from, settings)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "stagecrew.yaml"), []byte(strings.Replace(settings, from, to, 1)), 0o600))
	}
	require.NoError(t, os.CopyFS(filepath.Join(dir, "charts", "backstage"), os.DirFS(filepath.Join(envtest.Env(t, "E2E_ROOT"), "charts", "backstage"))))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "deploy"), 0o755))
	// The other tests' releases have the cluster-wide role.
	values := "config:\n  backendUrl: https://portal.example.com\nsecrets:\n  existingSecret: portal\nrbac:\n  mode: none\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "deploy", "values-production.yaml"), []byte(values), 0o600))
	workflow := filepath.Join(dir, ".github", "workflows", "deploy.yml")
	require.NoError(t, os.WriteFile(workflow, newer.ReplaceAll([]byte(readFile(t, workflow)), nil), 0o600))

	kubectl(t, "delete", "namespace", portal, "--ignore-not-found") // of a run before
	kubectl(t, "create", "namespace", portal)
	t.Cleanup(func() { kubectl(t, "delete", "namespace", portal, "--wait=false") })
	kubectl(t, "--namespace", portal, "create", "secret", "generic", "portal", "--from-literal=POSTGRES_USER=backstage", "--from-literal=POSTGRES_PASSWORD=a-password-of-the-portal")
	run(t, dir, nil, "git", "add", ".")
	run(t, dir, nil, "git", "-c", "user.name=A Stranger", "-c", "user.email=stranger@example.com", "commit", "-qm", "Deploy with stagecrew")
}

// publishedAs is act where these actions are those of stagecrew/stagecrew@ref on GitHub,
// with the program under test as that of their release, in the runner's tool cache.
func publishedAs(t *testing.T, ref string) act {
	t.Helper()
	actions, tools, program := repository(t), t.TempDir(), envtest.Env(t, "E2E_STAGECREW")
	version := strings.TrimSpace(readFile(t, filepath.Join(actions, "actions", "setup", "VERSION")))
	sums := fmt.Sprintf("%x  stagecrew_%s_linux_%s\n", sha256.Sum256([]byte(readFile(t, program))), version, runtime.GOARCH)
	require.NoError(t, os.WriteFile(filepath.Join(actions, "actions", "setup", "SHA256SUMS"), []byte(sums), 0o600))
	folder := filepath.Join(tools, "stagecrew", version, map[string]string{"amd64": "x64"}[runtime.GOARCH]+strings.TrimPrefix(runtime.GOARCH, "amd64"))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.Symlink(program, filepath.Join(folder, "stagecrew")))
	require.NoError(t, os.WriteFile(folder+".complete", nil, 0o600))
	options := strings.ReplaceAll(readFile(t, filepath.Join(actions, ".actrc")), "=test/", "="+actions+"/test/")
	return act{t: t, tools: tools, options: append(strings.Fields(options),
		"--local-repository", "stagecrew/stagecrew@"+ref+"="+actions,
		// act has a home of its own, which has no packages yet.
		"--env", "NPM_CONFIG_CACHE="+strings.TrimSpace(run(t, "", nil, "npm", "config", "get", "cache")),
		"--env", "STAGECREW_BASE_IMAGE="+envtest.Env(t, "E2E_BASE_IMAGE"),
		"--env", "STAGECREW_SCAN_DATABASE="+envtest.Env(t, "E2E_DATABASE"),
		"--env", "STAGECREW_SIGN_KEY="+envtest.Env(t, "E2E_SIGN_KEY"),
		"--env", "COSIGN_PASSWORD="+envtest.Env(t, "COSIGN_PASSWORD"),
	)}
}

// live is the image that serves, of the only revision, which has to be marked good.
func live(t *testing.T) string {
	t.Helper()
	out := run(t, t.TempDir(), nil, envtest.Env(t, "E2E_STAGECREW"), "status", "--release", portal, "--namespace", portal,
		"--kubeconfig", envtest.Env(t, "E2E_KUBECONFIG"), "--output", "json")
	var status struct {
		Revisions []struct{ Image, Verdict string } `json:"revisions"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &status), out)
	require.Len(t, status.Revisions, 1)
	require.Equal(t, "good", status.Revisions[0].Verdict)
	running := kubectl(t, "--namespace", portal, "get", "deployment/backstage", "--output", "jsonpath={.spec.template.spec.containers[0].image}")
	require.Equal(t, status.Revisions[0].Image, running)
	return running
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, "", []string{"KUBECONFIG=" + envtest.Env(t, "E2E_KUBECONFIG")}, "kubectl", args...)
}

// run gives what a command says, which has to end well.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	// The test's own context is over when it cleans up.
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %v: %s%s", name, args, out, stderr.String())
	return string(out)
}
