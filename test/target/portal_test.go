package target

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/portal"
)

// guests are the values of a whole Backstage that lets everybody in, and has a token for
// the tests. On a busy machine its start takes long.
const guests = `  extra: {SMOKE_TOKEN: target-reads-the-catalog}
config: {extra: {APP_CONFIG_auth_providers_guest_dangerouslyAllowOutsideDevelopment: "true"}}
probes: {startup: {failureThreshold: 60}}
progressDeadlineSeconds: 600
`

// guestPage is a smoke check of its first page.
const guestPage = `attempts: 10
interval: 1s
timeout: 30s
checks:
  - {name: readiness, path: /.backstage/health/v1/readiness, expect: {json: {status: ok}}}
  - {name: "page, seen", path: /, expect: {browser: {text: Enter as a Guest User, as: "https://` + host + `", within: 30s}}}
`

// TestTheWholePortal builds the whole example from its sources, deploys it, and looks at
// it as a visitor does; `make target-plain FULL=1` has what builds it.
func TestTheWholePortal(t *testing.T) {
	s := with(t)
	source := os.Getenv("E2E_WHOLE")
	if source == "" {
		t.Skip("SKIPPED: nothing is there that builds the whole example; `make target-plain FULL=1` runs this test")
	}
	browser := withBrowser(t)
	g := newSite(t, s, "portal")
	defer g.doc.write(t)
	g.smoke = append(g.smoke, "--smoke", g.write("smoke.yaml", guestPage), "--timeout", "10m")
	start := time.Now()
	one := g.run(source, "1.0.0", g.values("portal.yaml", guests+g.reachable()), "--prepare")
	require.Zero(t, one.exit, "%s", one.log)
	g.doc.section("The whole Backstage")
	g.doc.line("examples/backstage: its page and its backend, built from their sources by `stagecrew run --prepare`, scanned, signed and deployed in %s s:", seconds(time.Since(start)))
	g.doc.line("catalog, Kubernetes, TechDocs, Argo CD, search.")
	g.doc.machine(t)
	g.doc.line("")
	g.sees(browser)
	g.doc.line("")
	g.questions()
	g.doc.line("")
	g.doc.columns("what is wrong", "exit", "seconds", "cause", "afterwards")
	g.elsewhere(one.record.Image)
}

// sees opens pages, through the ingress where there is one.
func (g *site) sees(browser string) {
	g.t.Helper()
	look := portal.Look{Browser: browser, URL: "https://" + host, Folder: os.Getenv("TARGET_PICTURES")}
	from := "through the ingress"
	if g.public() {
		look.Address = net.JoinHostPort(g.IngressAddress, "443")
	} else {
		from = "at a pod"
		way, done := g.way()
		defer done()
		address, stop := portal.Behind(way)
		defer stop()
		look.Address = address
	}
	took, err := look.At(g.t.Context(), portal.Scenes)
	require.NoError(g.t, err)
	g.doc.columns("page, seen in a browser "+from, "what it shows", "there after")
	for _, scene := range portal.Scenes {
		g.doc.row(scene.Path, scene.Text, fmt.Sprintf("%.1f s", took[scene.Name].Seconds()))
	}
}

// way leads to a pod of what is live.
func (g *site) way() (http.RoundTripper, func()) {
	g.t.Helper()
	cluster, err := kube.Connect(kube.Options{Kubeconfig: g.Kubeconfig, Namespace: namespace, Patience: time.Minute})
	require.NoError(g.t, err)
	pod := kubectl(g.t, "-n", namespace, "get", "pods", "-l", "app=backstage", "--field-selector", "status.phase=Running", "-o", "jsonpath={.items[0].metadata.name}")
	return cluster.PodTransport(record.Pod{Namespace: namespace, Name: pod, Port: 7007})
}

// questions are those of the Kubernetes plugin, asked in the pod: with its ServiceAccount
// and behind its policies.
func (g *site) questions() {
	g.t.Helper()
	g.doc.columns("what the Kubernetes plugin is asked for", "status", "answer")
	for _, q := range portal.Questions(namespace) {
		arguments, err := json.Marshal(q)
		require.NoError(g.t, err)
		script := fmt.Sprintf(`const q = %s
fetch("http://localhost:7007" + q.Path, {method: q.Method, body: q.Body || undefined, headers: {authorization: "Bearer " + process.env.SMOKE_TOKEN, "content-type": "application/json", %q: %q}})
  .then(async answer => { const text = await answer.text(); console.log(answer.status, text.includes(q.Words), text.slice(0, 300)) })`, arguments, portal.Cluster[0], portal.Cluster[1])
		out := kubectl(g.t, "-n", namespace, "exec", "deployment/backstage", "-c", "backstage", "--", "node", "-e", script)
		require.True(g.t, strings.HasPrefix(out, fmt.Sprintf("%d true ", q.Status)), "%s: %s", q.What, out)
		g.doc.row(q.What, fmt.Sprint(q.Status), "has `"+q.Words+"`")
	}
}

// elsewhere deploys the same image with a URL that the page is not at.
func (g *site) elsewhere(image record.Image) {
	g.t.Helper()
	values := g.values("elsewhere.yaml", strings.Replace(guests, "config: {", "config: {frontendUrl: https://"+host+"/portal, ", 1)+g.reachable())
	start := time.Now()
	o := g.deploy(image, g.chart(), values)
	require.Equal(g.t, 4, o.exit, "%s", o.log)
	require.Equal(g.t, "smoke/check-failed", o.record.Cause.Code)
	require.Contains(g.t, o.record.Cause.String(), "page, seen")
	g.doc.row("`app.baseUrl` has a path that nobody serves", "4", seconds(time.Since(start)), o.record.Cause.String(), "rolled back")
}
