package charts_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// What the chart does for security without being asked, clause by clause; the
// policies are in policies_test.go, and the live proofs in test/e2e.

func TestTheApplicationsUserIsNotTheSuperuserOfTheDatabase(t *testing.T) {
	documents := mustRender(t)
	object := documents[database].object
	require.Equal(t, "postgres", at(t, object, postgres+"env[POSTGRES_USER].value"))
	require.Equal(t, map[string]any{"name": "psql-postgresql-superuser", "key": "POSTGRES_SUPERUSER_PASSWORD", "optional": true},
		at(t, object, postgres+"env[POSTGRES_PASSWORD].valueFrom.secretKeyRef"))
	for variable, key := range map[string]string{"APPLICATION_USER": "POSTGRES_USER", "APPLICATION_PASSWORD": "POSTGRES_PASSWORD"} {
		require.Equal(t, map[string]any{"name": "backstage-secrets", "key": key}, at(t, object, postgres+"env["+variable+"].valueFrom.secretKeyRef"))
	}
	script, _ := at(t, documents["ConfigMap/psql-postgresql-scripts"].object, "data.prepare-database~sh").(string)
	require.Contains(t, script, "LOGIN CREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS")
	require.Contains(t, at(t, object, postgres+"volumeMounts"), map[string]any{
		"name": "scripts", "mountPath": "/docker-entrypoint-initdb.d/50-prepare-database.sh", "subPath": "prepare-database.sh",
	})
}

func TestTheSuperusersPasswordNeverReachesBackstage(t *testing.T) {
	documents := mustRender(t, `{postgresql: {superuser: {password: horse-battery}}}`)
	require.Equal(t, map[string]any{"POSTGRES_SUPERUSER_PASSWORD": "aG9yc2UtYmF0dGVyeQ=="}, at(t, documents["Secret/psql-postgresql-superuser"].object, "data"))
	require.NotContains(t, documents["Secret/backstage-secrets"].text, "aG9yc2UtYmF0dGVyeQ==")
	require.NotContains(t, documents[deployment].text, "superuser")
	own := mustRender(t, `{postgresql: {superuser: {existingSecret: vault-made, passwordKey: root}}}`)
	require.NotContains(t, own, "Secret/psql-postgresql-superuser")
	require.Equal(t, map[string]any{"name": "vault-made", "key": "root", "optional": false},
		at(t, own[database].object, postgres+"env[POSTGRES_PASSWORD].valueFrom.secretKeyRef"))
}

func TestConnectionsToTheDatabaseAreEncrypted(t *testing.T) {
	const external = `postgresql: {enabled: false}, config: {postgresHost: db.example.com`
	for name, c := range map[string]struct{ values, server, client, waits string }{
		"a certificate of the server's own making":                      {`{}`, "on", "no-verify", "no-verify"},
		"a certificate that is given":                                   {`{postgresql: {tls: {mode: secret, existingSecret: database-tls}}}`, "on", "verify-full", "verify-full"},
		"without, when that is asked for":                               {`{postgresql: {tls: {mode: none}}}`, "off", "disable", "disable"},
		"a client with its own mind":                                    {`{config: {postgresSslMode: verify-full}}`, "on", "verify-full", "verify-full"},
		"a database elsewhere":                                          {`{` + external + `, postgresSslMode: verify-full}}`, "", "verify-full", "verify-full"},
		"a database elsewhere, the application's configuration decides": {`{` + external + `}}`, "", "", "disable"},
	} {
		t.Run(name, func(t *testing.T) {
			documents := mustRender(t, c.values)
			client := at(t, documents[deployment].object, container+"env")
			if c.client == "" {
				require.NotContains(t, documents[deployment].text, "name: PGSSLMODE\n              value: \n")
				require.Len(t, client, 2)
			} else {
				require.Equal(t, c.client, at(t, documents[deployment].object, container+"env[PGSSLMODE].value"))
			}
			require.Equal(t, c.waits, at(t, documents[deployment].object, wait+"env[PGSSLMODE].value"))
			if c.server != "" {
				require.Equal(t, c.server, at(t, documents[database].object, postgres+"env[TLS].value"))
			}
		})
	}
}

func TestAGivenCertificateIsReadByTheDatabaseOnly(t *testing.T) {
	documents := mustRender(t, `{postgresql: {tls: {mode: secret, existingSecret: database-tls}}}`)
	require.Equal(t, map[string]any{"secretName": "database-tls", "defaultMode": 288.0}, at(t, documents[database].object, pod+"volumes[tls-given].secret"))
	require.NotContains(t, documents[deployment].text, "tls.key")
}

// An annotation is read by whoever may read Deployments: a hash in it lets them try passwords at home.
func TestNoAnnotationTellsAnythingAboutASecret(t *testing.T) {
	one := mustRender(t)
	other := mustRender(t, `{secrets: {postgresPassword: another, githubToken: t0ken}, postgresql: {superuser: {password: third}}}`)
	for key, document := range one {
		if !strings.HasPrefix(key, "Secret/") {
			require.Equal(t, document.text, other[key].text, key)
		}
	}
	annotations := func(documents map[string]document) any {
		return at(t, documents["Secret/backstage-secrets"].object, "metadata.annotations")
	}
	require.Equal(t, annotations(one), annotations(other))
}

// secretOf is the Secret of a rendering, as it is in the cluster.
func secretOf(t *testing.T, documents map[string]document) *unstructured.Unstructured {
	t.Helper()
	var secret unstructured.Unstructured
	require.NoError(t, yaml.Unmarshal([]byte(documents["Secret/backstage-secrets"].text), &secret.Object))
	return &secret
}

func TestPodsRestartWhenTheSecretChangesAndOnlyThen(t *testing.T) {
	version := func(documents map[string]document) any {
		return at(t, documents[deployment].object, "spec.template.metadata.annotations.version/secret")
	}
	over := func(revision int, live cluster, values string) map[string]document {
		documents, err := renderOver(t, revision, live, needed, values)
		require.NoError(t, err)
		return documents
	}
	first := over(1, nil, `{}`)
	require.Equal(t, "1", version(first))
	same := over(2, cluster{secretOf(t, first)}, `{replicaCount: 2}`)
	require.Equal(t, "1", version(same))
	changed := over(3, cluster{secretOf(t, same)}, `{secrets: {githubToken: x}}`)
	require.Equal(t, "3", version(changed))
	again := over(4, cluster{secretOf(t, changed)}, `{secrets: {githubToken: x}}`)
	require.Equal(t, "3", version(again))
	// A rollback brings the older Secret and the older number; the next try has a number that no pod had.
	require.Equal(t, "6", version(over(6, cluster{secretOf(t, same)}, `{secrets: {githubToken: x}}`)))
	// The chart of before wrote no number.
	old := secretOf(t, first)
	old.SetAnnotations(nil)
	require.Equal(t, "7", version(over(7, cluster{old}, `{}`)))
	// Somebody edited the live one.
	edited := secretOf(t, first)
	require.NoError(t, unstructured.SetNestedField(edited.Object, "eA==", "data", "POSTGRES_PASSWORD"))
	require.Equal(t, "8", version(over(8, cluster{edited}, `{}`)))
}

func TestTheTokenIsMountedOnlyWhereThereIsSomethingToRead(t *testing.T) {
	for name, c := range map[string]struct {
		values string
		want   bool
	}{
		"the kubernetes plugin":        {`{}`, true},
		"the seed's role":              {`{rbac: {mode: seed}}`, true},
		"no role":                      {`{rbac: {mode: none}}`, false},
		"no role, but asked for":       {`{rbac: {mode: none}, serviceAccount: {automountToken: true}}`, true},
		"a role, but it is forbidden":  {`{serviceAccount: {automountToken: false}}`, false},
		"as the chart of before wrote": {`{serviceAccount: {automountToken: true}}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			documents := mustRender(t, c.values)
			require.Equal(t, c.want, at(t, documents[deployment].object, pod+"automountServiceAccountToken"))
			require.Equal(t, false, at(t, documents["ServiceAccount/backstage"].object, "automountServiceAccountToken"), "for pods that do not ask")
			require.Equal(t, false, at(t, documents[database].object, pod+"automountServiceAccountToken"))
		})
	}
}

func TestTheRoleReadsConfigMapsOnlyWhenAskedTo(t *testing.T) {
	role := "ClusterRole/backstage-backend"
	require.NotContains(t, mustRender(t)[role].text, "configmaps")
	require.Contains(t, mustRender(t, `{rbac: {configMaps: true}}`)[role].text, "configmaps")
}

// A cluster that admits digests only denies busybox:1.36, facts of sigstore's policy-controller.
func TestEveryImageCanBeNamedByDigest(t *testing.T) {
	documents := mustRender(t, `{postgresql: {digest: "`+digest+`"}, waitForPostgres: {digest: "`+digest+`"}}`)
	for path, want := range map[string]string{wait + "image": "busybox:1.36@" + digest, container + "image": "jaimehenao8126/backstage-production@" + digest} {
		require.Equal(t, want, at(t, documents[deployment].object, path))
	}
	require.Equal(t, "postgres:14@"+digest, at(t, documents[database].object, postgres+"image"))
}
