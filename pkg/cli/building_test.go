//go:build goexperiment.jsonv2 && !notrivy

package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/pkg/kube/kubetest"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan/scantest"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// The account of the test's registry.
const account, password = "robot", "s3cret-of-the-robot"

// guardedRegistry wants the account above from everybody.
func guardedRegistry(t *testing.T) string {
	t.Helper()
	inner := registry.New(registry.Logger(discard()))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, secret, _ := r.BasicAuth(); user != account || secret != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

var asRobot = remote.WithAuth(&authn.Basic{Username: account, Password: password})

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

// pushNode puts a base image for one platform there.
func pushNode(t *testing.T, host string) string {
	t.Helper()
	image, err := random.Image(512, 1)
	require.NoError(t, err)
	config, err := image.ConfigFile()
	require.NoError(t, err)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: config.RootFS})
	require.NoError(t, err)
	ref, err := name.ParseReference(host + "/library/node:24")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image, asRobot))
	return ref.Name()
}

// backend is an installed workspace with one dependency that has a known
// vulnerability.
func backend(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"package.json":                        `{"workspaces":["packages/*"]}`,
		"package-lock.json":                   `{"lockfileVersion":3}`,
		"app-config.yaml":                     "app: {title: Test}\n",
		"node_modules/minimist/package.json":  `{"name":"minimist","version":"1.2.5","license":"MIT"}`,
		"packages/backend/package.json":       `{"name":"backend","version":"1.0.0","main":"dist/index.cjs.js"}`,
		"packages/backend/dist/index.cjs.js":  "'use strict';\n",
		"packages/backend/dist/bundle.tar.gz": "packed\n",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	return dir
}

const commit = "0123456789abcdef0123456789abcdef01234567"

// environOf has the account and the variables of a step of a workflow for a tag.
func environOf(dir string) []string {
	return append([]string{"GITHUB_ACTIONS=true", "GITHUB_EVENT_NAME=push", "GITHUB_REF_TYPE=tag", "GITHUB_REF_NAME=v1.2.3", "GITHUB_REF=refs/tags/v1.2.3", "GITHUB_SHA=" + commit},
		"REGISTRY_USERNAME="+account, "REGISTRY_PASSWORD="+password, "SOURCE_DATE_EPOCH=1700000000", "STAGECREW_INSECURE_REGISTRY=127.0.0.1",
		"GITHUB_SERVER_URL=https://github.test", "GITHUB_REPOSITORY=team/app", "GITHUB_OUTPUT="+filepath.Join(dir, "output"), "GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary"))
}

// call runs the command line and reads its record.
func call(t *testing.T, environ []string, args ...string) (int, record.Record, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := Main(append(args, "--output", "json"), environ, &stdout, &stderr)
	t.Log(stderr.String())
	var rec record.Record
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &rec))
	return code, rec, stderr.String()
}

func TestBuildAndScanInAWorkflow(t *testing.T) {
	host, dir := guardedRegistry(t), t.TempDir()
	environ, repository := environOf(dir), host+"/Team/App"
	code, built, log := call(t, environ, "build", "--source", backend(t), "--base-image", pushNode(t, host), "--repository", repository, "--label", "org.test.team=a=b")
	require.Equal(t, exitOK, code)
	require.Contains(t, log, "::add-mask::"+password)
	require.Equal(t, host+"/team/app", built.Image.Repository, "in lower case, as registries want it")

	ref, err := name.NewDigest(built.Image.String())
	require.NoError(t, err)
	image, err := remote.Image(ref, asRobot)
	require.NoError(t, err)
	config, err := image.ConfigFile()
	require.NoError(t, err)
	require.EqualValues(t, 1700000000, config.Created.Unix())
	for label, want := range map[string]string{"org.opencontainers.image.version": "1.2.3", "org.opencontainers.image.revision": commit,
		"org.opencontainers.image.source": "https://github.test/team/app", "org.test.team": "a=b"} {
		require.Equal(t, want, config.Config.Labels[label], label)
	}
	tags, err := remote.List(ref.Repository, asRobot)
	require.NoError(t, err)
	for _, tag := range tags {
		require.Contains(t, tag, "stagecrew-cache-", "a build moves no tag")
	}
	require.Equal(t, record.BuilderLayers, built.Built.Builder)
	require.Positive(t, built.Built.Sent)
	push := built.Phases[slices.IndexFunc(built.Phases, func(p record.Phase) bool { return p.Name == "build: push" })]
	require.Equal(t, built.Built.Sent, push.Bytes)
	output, err := os.ReadFile(filepath.Join(dir, "output"))
	require.NoError(t, err)
	require.Contains(t, string(output), "\n"+built.Image.Digest+"\n")

	// The scan pulls with the same account; the database is in a registry of its own.
	open := httptest.NewServer(registry.New(registry.Logger(discard())))
	t.Cleanup(open.Close)
	database := strings.TrimPrefix(open.URL, "http://") + "/trivy-db:2"
	require.NoError(t, scantest.Push(t.Context(), database))
	reports := map[string]string{"json": "SchemaVersion", "sarif": "2.1.0", "cyclonedx": "CycloneDX", "spdx": "SPDX-2.3", "cosign-vuln": "scanner"}
	args := []string{"scan", "--image", built.Image.String(), "--scan-database", database, "--scan-cache-dir", filepath.Join(dir, "cache")}
	for format := range reports {
		args = append(args, "--scan-"+format, filepath.Join(dir, format))
	}
	hub := githubtest.New(t, []string{"security-events: write"})
	code, scanned, log := call(t, append(slices.Clone(environ), "GITHUB_API_URL="+hub.URL, "GITHUB_REPOSITORY="+githubtest.Repository, "GITHUB_TOKEN="+githubtest.Token), args...)
	require.Equal(t, exitRefused, code)
	require.Contains(t, scanned.Error, "[scan/vulnerable]")
	require.Contains(t, log, "CVE-2021-44906")
	for format, word := range reports {
		text, err := os.ReadFile(filepath.Join(dir, format))
		require.NoError(t, err, "a refused image needs its reports most")
		require.Contains(t, string(text), word)
	}
	require.Len(t, hub.Analyses(), 1)
	require.Contains(t, string(hub.Analyses()[0].SARIF), "CVE-2021-44906")
	require.Equal(t, "refs/tags/v1.2.3", hub.Analyses()[0].Ref)
	output, err = os.ReadFile(filepath.Join(dir, "output"))
	require.NoError(t, err)
	require.Equal(t, "scan/vulnerable", outputOf(t, filepath.Join(dir, "output"), "cause-code"))
	require.Regexp(t, `(?m)^critical<<(\S+)\n1\n`, string(output))
	require.Regexp(t, `(?m)^blocking<<(\S+)\n1\n`, string(output))

	// With the ignores of the document the same image passes.
	ignores := filepath.Join(dir, "scan-ignores.yaml")
	require.NoError(t, os.WriteFile(ignores, []byte(blocks(t, "yaml")[0]), 0o600))
	code, scanned, _ = call(t, environ, append(args, "--scan-ignore-file", ignores, "--scan-offline")...)
	require.Equal(t, exitOK, code)
	require.Len(t, scanned.Scan.Suppressed, 1)
	require.Len(t, scanned.Scan.Unmatched, 1)
}

func TestTheAccountIsForItsOwnRegistryOnly(t *testing.T) {
	host, stranger := guardedRegistry(t), guardedRegistry(t)
	base := pushNode(t, stranger)
	code, rec, _ := call(t, environOf(t.TempDir()), "build", "--source", backend(t), "--base-image", base, "--repository", host+"/team/app")
	require.Equal(t, exitUnknown, code)
	require.Contains(t, rec.Error, "[build/registry-denied]")
}

func TestARunFindsAllThatIsWrongBeforeItDoesAnything(t *testing.T) {
	code, rec, log := call(t, []string{"SOURCE_DATE_EPOCH=yesterday"}, "run", "--repository", "not a repository", "--label", "nothing", "--branch", "v1", "--scan-threshold", "LOW")
	require.Equal(t, exitUsage, code)
	for _, problem := range []string{`--label "nothing": want KEY=VALUE`, `SOURCE_DATE_EPOCH "yesterday": want whole seconds since 1970`, `parsing repository "not a repository"`, `branch "v1"`, "--release", "--sign-key"} {
		require.Contains(t, rec.Error, problem)
	}
	require.NotContains(t, log, "builder chosen")
}

func TestAClusterThatSaysNoEndsTheBuild(t *testing.T) {
	host, dir := guardedRegistry(t), t.TempDir()
	cluster := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"the robot may not"}`))
	}))
	t.Cleanup(cluster.Close)
	kubeconfig := kubetest.Kubeconfig(t, cluster.URL)
	chart := filepath.Join(dir, "chart")
	require.NoError(t, os.MkdirAll(chart, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(chart, "Chart.yaml"), []byte("apiVersion: v2\nname: app\nversion: 1.0.0\n"), 0o600))
	// The scan would wait: its registry takes the request and says nothing.
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	private, public, err := sign.GenerateKeyPair(nil)
	require.NoError(t, err)
	code, rec, _ := call(t, append(environOf(dir), "KEY="+string(private), "PUBLIC="+string(public)), "run", "--source", backend(t), "--base-image", pushNode(t, host), "--repository", host+"/team/app", "--smoke", "none",
		"--scan-database", strings.TrimPrefix(silent.URL, "http://")+"/trivy-db:2", "--scan-cache-dir", filepath.Join(dir, "cache"),
		"--sign-key", "env://KEY", "--verify-key", "env://PUBLIC", "--release", "app", "--chart", chart, "--kubeconfig", kubeconfig)
	require.Equal(t, exitRefused, code)
	require.Contains(t, rec.Error, "the robot may not")
	require.NotContains(t, rec.Error, "\n", "what this did to the others is not worth telling")
	require.Empty(t, rec.Tags)
}
