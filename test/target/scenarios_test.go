package target

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// scenarios deploy what breaks the way to the visitors, though all pods are well: the gate
// finds it, says what it is, and takes it back.
func (g *site) scenarios(image record.Image) {
	g.t.Helper()
	g.expired()
	two := g.values("two.yaml", published+"replicaCount: 2\n")
	g.doc.section("Broken releases", "what is wrong", "exit", "seconds", "cause", "afterwards")
	for _, s := range []struct {
		name, chart, values string
		says                []string
	}{
		{"the Ingress leads to a Service that is not there",
			g.changed("templates/ingress.yaml", "              service:\n                name: {{ include \"backstage.name\" $ }}", "              service:\n                name: {{ include \"backstage.name\" $ }}-gone"),
			two, []string{host}},
		{"the certificate has expired", g.chart(),
			g.values("expired.yaml", "ingress: {enabled: true, tls: {secretName: expired-tls}, certManager: {clusterIssuer: \"\"}}\nreplicaCount: 2\n"), []string{"expired"}},
		{"a policy cuts off the database",
			g.changed("templates/networkpolicy.yaml", "              app: {{ $name }}\n        {{- with $p.database.extraPeers }}", "              app: nobody\n        {{- with $p.database.extraPeers }}"),
			g.values("cut.yaml", published+"replicaCount: 2\npodAnnotations: {release: cut}\nwaitForPostgres: {timeoutSeconds: 20}\n"), []string{"psql-postgresql"}},
	} {
		start := time.Now()
		o := g.deploy(image, s.chart, s.values)
		took := time.Since(start)
		require.Equal(g.t, 4, o.exit, "%s\n%s", s.name, o.log)
		require.Equal(g.t, record.VerdictRolledBack, o.record.Verdict, s.name)
		require.NotNil(g.t, o.record.Cause, s.name)
		for _, words := range s.says {
			require.Contains(g.t, o.record.Cause.String(), words, s.name)
		}
		require.Eventually(g.t, g.served, patience, time.Second, s.name)
		g.doc.row(s.name, "4", seconds(took), o.record.Cause.String(), "rolled back, visitors are served")
	}
}

// expired makes the Secret of a certificate that nobody renewed.
func (g *site) expired() {
	g.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(g.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(g.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(g.t, err)
	cert := g.write("expired.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})))
	keyFile := g.write("expired.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	kubectl(g.t, "-n", namespace, "create", "secret", "tls", "expired-tls", "--cert", cert, "--key", keyFile)
}
