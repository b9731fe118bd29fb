package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// certificate makes one that vouches for itself, as files in PEM.
func certificate(t *testing.T, host string) (certFile, keyFile string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "database"}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return write(t, "tls.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))),
		write(t, "tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// connect is what Backstage's driver does, with the environment of the pod.
const connect = `const {Client} = require("pg"), e = process.env
const c = new Client({host: e.POSTGRES_HOST, user: e.POSTGRES_USER, password: e.POSTGRES_PASSWORD, database: "postgres"})
c.connect().then(() => { console.log("connected"); c.end() }, e => console.log("refused:", e.message))`

func TestAGivenCertificateOfTheDatabaseIsVerified(t *testing.T) {
	t.Parallel()
	h := newTarget(t, "e2e-certificate")
	h.values = write(t, "values.yaml", `
secrets: {postgresPassword: e2e-password}
rbac: {mode: none}
postgresql: {tls: {mode: secret, existingSecret: database-tls}}
`)
	cert, key := certificate(t, "psql-postgresql."+h.namespace+".svc.cluster.local")
	kubectl(t, "create", "namespace", h.namespace)
	kubectl(t, "-n", h.namespace, "create", "secret", "generic", "database-tls", "--from-file=tls.crt="+cert, "--from-file=ca.crt="+cert, "--from-file=tls.key="+key)
	h.apply(h.image(), filepath.Join(envtest.Env(t, "E2E_ROOT"), "charts", "backstage"))
	h.connects("postgres")

	for name, c := range map[string]struct{ environment, want string }{
		"as Backstage does":    {"A=b", "connected"},
		"no authority":         {"NODE_EXTRA_CA_CERTS=", "refused: self-signed certificate"},
		"a name it has not":    {"POSTGRES_HOST=psql-postgresql-hl", "does not match certificate's altnames"},
		"TLS not asked for":    {"PGSSLMODE=disable", "no encryption"},
		"a wrong password":     {"POSTGRES_PASSWORD=wrong", "password authentication failed"},
		"the superuser's name": {"POSTGRES_USER=postgres", "password authentication failed"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), "kubectl", "--kubeconfig", envtest.Env(t, "E2E_KUBECONFIG"), "-n", h.namespace, "exec", "deployment/backstage",
				"-c", "backstage", "--", "env", c.environment, "node", "-e", connect).Output()
			require.NoError(t, err)
			require.Contains(t, string(out), c.want)
		})
	}
}
