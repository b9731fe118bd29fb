package target

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// TestTheTargetSystem installs it, updates it and takes the update back while visitors
// come, and leaves it running. Each part writes its table.
func TestTheTargetSystem(t *testing.T) {
	s := with(t, "ingress", "certificates", "policies", "metrics", "monitoring")
	g := newSite(t, s, "system")
	defer g.doc.write(t)

	start := time.Now()
	one := g.pipeline("1.0.0", g.values("one.yaml", published))
	first := time.Since(start)
	require.Equal(t, record.VerdictGood, one.record.Verdict)
	g.doc.machine(t)
	g.unharmed(one, first)
	g.hopTable()
	g.tlsTable()
	g.limitTable()
	g.arrowTable()
	g.metricsTable()
	g.troubles(one.record.Image)
	g.scenarios(one.record.Image)
}

// unharmed updates to two replicas and takes a second update back, while visitors come
// and the certificate is renewed.
func (g *site) unharmed(one outcome, first time.Duration) {
	g.t.Helper()
	controller := kubectl(g.t, "-n", "ingress-nginx", "get", "pods", "-o", "jsonpath={.items[*].metadata.name} {.items[*].status.containerStatuses[0].restartCount}")
	g.doc.section("Deploys while visitors come", "step", "seconds", "verdict", "replicas")
	g.doc.row("first install: build, scan, sign, deploy, certificate issued", seconds(first), string(one.record.Verdict), "1")

	v := g.visit()
	two := g.values("two.yaml", published+"replicaCount: 2\n")
	step := func(name string, do func() outcome) outcome {
		start := time.Now()
		o := do()
		require.Zero(g.t, o.exit, "%s", o.log)
		g.doc.row(name, seconds(time.Since(start)), string(o.record.Verdict), "2")
		return o
	}
	step("the same image, two replicas", func() outcome { return g.deploy(one.record.Image, g.chart(), two) })
	require.Equal(g.t, "ClientIP", kubectl(g.t, "-n", namespace, "get", "service", "backstage", "-o", "jsonpath={.spec.sessionAffinity}"))
	step("1.1.0: build, scan, sign, deploy", func() outcome { return g.pipeline("1.1.0", two) })
	back := step("rollback to 1.0.0", func() outcome { return g.stagecrew("rollback", "--reason", "target", "--public-url", "https://"+host) })
	require.Equal(g.t, one.record.Image, back.record.Image)
	// However quick the deploys were, a renewal is part of it.
	require.Eventually(g.t, func() bool { return v.certificates() > 1 }, patience, time.Second, "the certificate is renewed after two of its three minutes")
	v.stop()

	require.Empty(g.t, v.failed, "%d requests", v.requests)
	require.Equal(g.t, controller, kubectl(g.t, "-n", "ingress-nginx", "get", "pods", "-o", "jsonpath={.items[*].metadata.name} {.items[*].status.containerStatuses[0].restartCount}"),
		"the controller was not restarted for a certificate")
	g.doc.line("\nVisitors meanwhile: %d requests, **%d failed**, the slowest took %d ms. They were shown %d certificates, one after the other;\nneither the ingress controller nor Backstage was restarted for one.",
		v.requests, len(v.failed), v.slowest.Milliseconds(), v.certificates())
}

func (v *visitors) certificates() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.serials)
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Round(time.Second).Seconds())) }

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// query is what Backstage's driver does for each request of the catalog.
const query = `const {Client} = require("pg"), e = process.env
const c = new Client({host: e.POSTGRES_HOST, user: e.POSTGRES_USER, password: e.POSTGRES_PASSWORD, database: "postgres", ssl: {rejectUnauthorized: false}})
c.connect().then(async () => { const s = process.hrtime.bigint(); for (let i = 0; i < 100; i++) await c.query("select 1"); console.log((Number(process.hrtime.bigint() - s) / 1e8).toFixed(1)); c.end() })`

// hopTable shows where the time of one request goes, and what a crowd does to it. The
// limits are lifted for that: the whole crowd has one address.
func (g *site) hopTable() {
	g.t.Helper()
	const page = "https://" + host + "/"
	g.hops(g.t, page) // the first is never typical
	h := g.hops(g.t, page)
	database := kubectl(g.t, "-n", namespace, "exec", "deployment/backstage", "-c", "backstage", "--", "node", "-e", query)
	g.doc.section("One request, hop by hop", "hop", "time", "drawn")
	g.doc.row("visitor to ingress: connection", milliseconds(h.connect), "")
	g.doc.row("TLS handshake", milliseconds(h.handshake), "")
	g.doc.row("ingress, Service, pod, Backstage, to the first byte of the page", milliseconds(h.firstByte), "")
	g.doc.row("pod to PostgreSQL: one query on an open connection", database+" ms", "")
	g.doc.row("all", milliseconds(h.whole), "150 to 500 ms")

	g.annotate("limit-rps=100000", "limit-connections=100000")
	defer g.annotate("limit-rps=50", "limit-connections=100")
	g.doc.section("Visitors at once", "visitors", "requests", "failed", "median", "95 %", "slowest")
	for _, visitors := range []int{1, 50, 200} {
		times, failed := crowd(g.client(g.t), page, visitors)
		require.Zero(g.t, failed, "%d visitors", visitors)
		g.doc.row(strconv.Itoa(visitors), strconv.Itoa(len(times)), strconv.Itoa(failed), milliseconds(times[len(times)/2]), milliseconds(times[len(times)*95/100]), milliseconds(times[len(times)-1]))
	}
}

// annotate changes annotations of the Ingress and waits until the controller has them.
func (g *site) annotate(settings ...string) {
	args := []string{"-n", namespace, "annotate", "--overwrite", "ingress/backstage"}
	for _, s := range settings {
		args = append(args, "nginx.ingress.kubernetes.io/"+s)
	}
	kubectl(g.t, args...)
	lifted := strings.HasSuffix(settings[0], "00000")
	client := g.client(g.t)
	require.Eventually(g.t, func() bool {
		count := atOnce(client, "https://"+host+"/.backstage/health/v1/liveness", 400)
		return (count[http.StatusTooManyRequests] == 0) == lifted
	}, time.Minute, 3*time.Second)
}

func (g *site) tlsTable() {
	g.t.Helper()
	g.doc.section("TLS", "what is tried", "answer")
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		_, err := g.handshake(g.t, host, version)
		answer := "accepted"
		if err != nil {
			answer = "refused: " + err.Error()
		}
		require.Equal(g.t, version >= tls.VersionTLS12, err == nil, answer)
		g.doc.row(tls.VersionName(version), answer)
	}
	status, location := get(g.client(g.t), "http://"+host+"/catalog")
	require.Equal(g.t, http.StatusPermanentRedirect, status)
	require.Equal(g.t, "https://"+host+"/catalog", location)
	g.doc.row("plain HTTP", fmt.Sprintf("%d to %s", status, location))
	state, err := g.handshake(g.t, host, tls.VersionTLS13)
	require.NoError(g.t, err)
	leaf := state.PeerCertificates[0]
	g.doc.row("certificate", fmt.Sprintf("for %s, by %s, lives %s, verified with the authority's root", leaf.DNSNames[0], leaf.Issuer.CommonName, leaf.NotAfter.Sub(leaf.NotBefore).Round(time.Second)))
}

func (g *site) limitTable() {
	g.t.Helper()
	client := g.client(g.t)
	const asked = 600
	count := atOnce(client, "https://"+host+"/.backstage/health/v1/liveness", asked)
	require.NotZero(g.t, count[http.StatusTooManyRequests], "%v", count)
	require.NotZero(g.t, count[http.StatusOK], "%v", count)
	require.Len(g.t, count, 2, "nothing but answers and refusals: %v", statuses(count))
	require.Eventually(g.t, func() bool { status, _ := get(client, "https://"+host+"/"); return status == http.StatusOK }, time.Minute, time.Second)
	g.doc.section("Limits", "what is tried", "answer")
	g.doc.row(fmt.Sprintf("%d requests at once from one address (limits: 50 a second, 100 under way)", asked), fmt.Sprintf("%d answered, %d refused with 429", count[http.StatusOK], count[http.StatusTooManyRequests]))
	g.doc.row("a second later", "answered")
}
