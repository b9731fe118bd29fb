package target

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// host is the one of the architecture document, and the chart's default.
const (
	host      = "backstage.arhean.com"
	namespace = "backstage"
)

// site is the target system on the sandbox.
type site struct {
	sandbox
	t      *testing.T
	dir    string
	images string
	doc    *document
	smoke  []string // flags: the checks, and what they look at
}

// newSite prepares what a pipeline's machine has: a resolver that knows the public name,
// and trust in who issues its certificates. It measures a part of the document.
func newSite(t *testing.T, s sandbox, part string) *site {
	t.Helper()
	// A version stays what it was: each run has a repository of its own.
	images := fmt.Sprintf("%s/target-%d/backstage-production", envtest.Env(t, "E2E_REPOSITORY"), time.Now().Unix())
	g := &site{sandbox: s, t: t, dir: t.TempDir(), images: images, doc: &document{part: part}}
	bundle, err := os.ReadFile(s.CABundle)
	require.NoError(t, err)
	hosts := "127.0.0.1 localhost\n"
	if g.public() {
		hosts += s.IngressAddress + " " + host + "\n"
		bundle = append(append(bundle, '\n'), s.rootPEM(t)...)
		g.smoke = []string{"--public-url", "https://" + host}
	}
	g.write("hosts", hosts)
	g.write("roots.pem", string(bundle))
	kubectl(t, "delete", "namespace", namespace, "--ignore-not-found", "--timeout", "3m")
	kubectl(t, "delete", "clusterrole,clusterrolebinding", "backstage-backend", "--ignore-not-found")
	return g
}

func (g *site) write(name, content string) string {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	require.NoError(g.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// public reports whether visitors can come from outside. Without, the gate asks pods and
// Service alone.
func (g *site) public() bool { return slices.Contains(g.AddOns, "certificates") }

// reachable are the values of what visitors reach where they can come.
func (g *site) reachable() string {
	if g.public() {
		return published
	}
	return ""
}

// values are those of the target; replicas is 1 for the first start of an empty database.
func (g *site) values(name, more string) string {
	return g.write(name, "secrets:\n  postgresPassword: target-password\n"+more)
}

// published goes through the ingress with a certificate that lives for three minutes.
const published = "ingress: {enabled: true, certManager: {clusterIssuer: short-lived}}\n"

// outcome is how a command ended.
type outcome struct {
	exit   int
	log    string
	record record.Record
}

// mounted runs a command that sees another list of hosts.
const mounted = `mount --bind "$1" /etc/hosts && shift && exec "$@"`

func (g *site) stagecrew(args ...string) outcome {
	g.t.Helper()
	return g.stagecrewIn(namespace, append(args, "--release", "backstage")...)
}

func (g *site) stagecrewIn(namespace string, args ...string) outcome {
	g.t.Helper()
	args = append([]string{"--mount", "sh", "-c", mounted, "sh", filepath.Join(g.dir, "hosts"), envtest.Env(g.t, "E2E_STAGECREW")},
		append(args, "--namespace", namespace, "--kubeconfig", g.Kubeconfig, "--output", "json")...)
	cmd := exec.CommandContext(g.t.Context(), "unshare", args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Dir = &stdout, &stderr, g.dir
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+filepath.Join(g.dir, "roots.pem"))
	o := outcome{}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		o.exit = exit.ExitCode()
	} else {
		require.NoError(g.t, err)
	}
	o.log = stderr.String()
	require.NoError(g.t, json.Unmarshal([]byte(stdout.String()), &o.record), "%s", o.log)
	return o
}

// pipeline runs everything for a version of the example.
func (g *site) pipeline(version, values string) outcome {
	g.t.Helper()
	o := g.release(version, values, nil)
	require.Zero(g.t, o.exit, "%s", o.log)
	return o
}

// release runs everything for a version of the example in which files have another
// content.
func (g *site) release(version, values string, files map[string]string) outcome {
	g.t.Helper()
	source := filepath.Join(g.dir, "source-"+version)
	out, err := exec.CommandContext(g.t.Context(), "cp", "-al", envtest.Env(g.t, "E2E_SOURCE"), source).CombinedOutput()
	require.NoError(g.t, err, string(out))
	require.NoError(g.t, os.WriteFile(filepath.Join(source, "catalog", "version.txt"), []byte(version+"\n"), 0o600))
	for name, content := range files {
		path := filepath.Join(source, name)
		require.NoError(g.t, os.Remove(path), "its content is shared with other versions")
		require.NoError(g.t, os.WriteFile(path, []byte(content), 0o600))
	}
	return g.run(source, version, values)
}

// run builds, scans, signs and deploys what is in a folder.
func (g *site) run(source, version, values string, flags ...string) outcome {
	g.t.Helper()
	return g.stagecrew(slices.Concat([]string{"run", "--source", source, "--base-image", envtest.Env(g.t, "E2E_BASE_IMAGE"),
		"--repository", g.images, "--version-label", version,
		"--scan-database", envtest.Env(g.t, "E2E_DATABASE"), "--scan-cache-dir", filepath.Join(g.dir, "scan"),
		"--sign-key", envtest.Env(g.t, "E2E_SIGN_KEY"), "--verify-key", envtest.Env(g.t, "E2E_VERIFY_KEY"),
		"--chart", g.chart(), "--values", values}, g.smoke, flags)...)
}

// deploy sends an image that was built before; it does not wait long for what may go
// wrong later.
func (g *site) deploy(image record.Image, chart, values string) outcome {
	g.t.Helper()
	return g.stagecrew(append([]string{"deploy", "--image", image.String(), "--verify-key", envtest.Env(g.t, "E2E_VERIFY_KEY"),
		"--chart", chart, "--values", values, "--soak", "0"}, g.smoke...)...)
}

func (g *site) chart() string {
	return filepath.Join(envtest.Env(g.t, "E2E_ROOT"), "charts", "backstage")
}

// changed is a copy of the chart in which one file has another text.
func (g *site) changed(file, old, replacement string) string {
	g.t.Helper()
	dir := filepath.Join(g.t.TempDir(), "backstage")
	require.NoError(g.t, os.CopyFS(dir, os.DirFS(g.chart())))
	path := filepath.Join(dir, file)
	content, err := os.ReadFile(path)
	require.NoError(g.t, err)
	require.Contains(g.t, string(content), old)
	require.NoError(g.t, os.WriteFile(path, []byte(strings.Replace(string(content), old, replacement, 1)), 0o600))
	return dir
}
