package charts_test

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTheDefaultsRenderAsWrittenDown(t *testing.T) {
	documents := mustRender(t)
	var got strings.Builder
	for _, key := range slices.Sorted(maps.Keys(documents)) {
		got.WriteString("---\n# " + key + "\n" + strings.TrimSpace(documents[key].text) + "\n")
	}
	const golden = "testdata/defaults.yaml"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	// Line by line: the whole text would bury the difference.
	wanted, lines := strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")
	for i := range min(len(wanted), len(lines)) {
		require.Equal(t, wanted[i], lines[i], "line %d of %s; run go test ./charts -update and read the difference", i+1, golden)
	}
	require.Len(t, lines, len(wanted))
}

// sets are values with which each object is rendered once at least.
var sets = map[string]string{
	"defaults": "{}",
	"everything that is off by default": `
replicaCount: 3
image: {tag: v7, pullSecrets: [registry]}
service: {annotations: {a: b}}
strategy: {maxUnavailable: "25%"}
podAnnotations: {a: b}
nodeSelector: {disk: ssd}
tolerations: [{key: gpu, operator: Exists}]
serviceAccount: {annotations: {a: b}}
ingress: {enabled: true, annotations: {a: b}, nginx: {cors: {enabled: true}, clientCertificates: {secretName: clients}}}
httpRoute: {enabled: true, parentRefs: [{name: public, sectionName: https}], redirectParentRefs: [{name: public, sectionName: http}], requestTimeout: 300s, annotations: {a: b}}
autoscaling: {enabled: true}
namespace: {create: true}
quota: {enabled: true}
limitRange: {enabled: true}
rbac: {mode: seed, extraRules: [{apiGroups: [""], resources: [pods/log], verbs: [get]}]}
postgresql:
  nodeSelector: {disk: ssd}
  tolerations: [{key: gpu, operator: Exists}]
  superuser: {password: horse-battery}
  tls: {mode: secret, existingSecret: database-tls}
caBundle: {secret: authorities}
extraEnv: [{name: A, value: b}]
extraEnvFrom: [{secretRef: {name: more, optional: true}}]
extraVolumes: [{name: v, emptyDir: {}}]
extraVolumeMounts: [{name: v, mountPath: /v}]
extraInitContainers: [{name: i, image: "busybox:1.36"}]
extraContainers: [{name: s, image: "busybox:1.36"}]
extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: more}}]
networkPolicy:
  apiServer: {addresses: [10.0.0.4/32]}
  extraPeers: [{podSelector: {matchLabels: {a: b}}}]
  egress:
    httpsPeers: [{ipBlock: {cidr: 140.82.112.0/20}}]
    dnsPeers: [{namespaceSelector: {}}]
    extraRules: [{ports: [{port: 8080}]}]
  database: {extraPeers: [{podSelector: {matchLabels: {a: b}}}], extraEgressRules: [{ports: [{port: 443}]}]}
`,
}

func TestEveryObjectHasOnlyFieldsThatKubernetesKnows(t *testing.T) {
	known := runtime.NewScheme()
	require.NoError(t, scheme.AddToScheme(known))
	require.NoError(t, gatewayv1.Install(known))
	strict := serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
	for name, values := range sets {
		t.Run(name, func(t *testing.T) {
			for key, document := range mustRender(t, values) {
				_, _, err := strict.Decode([]byte(document.text), nil, nil)
				require.NoError(t, err, key)
			}
		})
	}
}

func TestBadValuesAreRefusedWithTheReason(t *testing.T) {
	for name, c := range map[string]struct{ values, message string }{
		"no image":                           {`{image: {digest: ""}}`, "image.digest is missing: give the sha256:"},
		"a digest that is a tag":             {`{image: {digest: v7}}`, "/image/digest"},
		"a digest with capitals":             {`{image: {digest: "` + strings.ToUpper(digest) + `"}}`, "/image/digest"},
		"no password":                        {`{secrets: {postgresPassword: ""}}`, "secrets.postgresPassword is missing: it has no default"},
		"a certificate that is not named":    {`{postgresql: {tls: {mode: secret}}}`, "postgresql.tls.existingSecret is missing"},
		"two passwords of the superuser":     {`{postgresql: {superuser: {password: x, existingSecret: own}}}`, "postgresql.superuser has both"},
		"a database image's digest as a tag": {`{postgresql: {digest: "14"}}`, "/postgresql/digest"},
		"an unknown way to connect":          {`{config: {postgresSslMode: prefer}}`, "/config/postgresSslMode"},
		"a bundle in two places":             {`{caBundle: {configMap: a, secret: b}}`, "caBundle has both"},
		"a variable of the chart's own":      {`{extraEnv: [{name: NODE_OPTIONS, value: x}]}`, "extraEnv sets NODE_OPTIONS"},
		"an address that is no network":      {`{networkPolicy: {apiServer: {addresses: [10.0.0.4]}}}`, "/networkPolicy/apiServer/addresses/0"},
		"no database user":                   {`{secrets: {postgresUser: ""}}`, "secrets.postgresUser is missing"},
		"no database":                        {`{postgresql: {enabled: false}}`, "config.postgresHost is missing"},
		"a misspelt key":                     {`{replicas: 2}`, "'replicas'"},
		"a misspelt inner key":               {`{image: {sha: x}}`, "'sha'"},
		"an unknown role":                    {`{rbac: {mode: admin}}`, "/rbac/mode"},
		"replicas as text":                   {`{replicaCount: "2"}`, "/replicaCount"},
		"a port that is none":                {`{service: {port: 70000}}`, "/service/port"},
		"a path without slash":               {`{probes: {readiness: {path: healthcheck}}}`, "/probes/readiness/path"},
		"a number in the environment":        {`{config: {extra: {LIMIT: 5}}}`, "/config/extra/LIMIT"},
		"a variable with a dot":              {`{secrets: {extra: {smoke.token: x}}}`, "smoke.token"},
		"an address without a scheme":        {`{config: {backendUrl: backstage.example.com}}`, "/config/backendUrl"},
		"no Secret for the issuer":           {`{ingress: {enabled: true, tls: {secretName: ""}}}`, "ingress.tls.secretName is missing: cert-manager keeps"},
		"a route without a Gateway":          {`{httpRoute: {enabled: true}}`, "httpRoute.parentRefs is missing"},
		"an autoscaler upside down":          {`{autoscaling: {enabled: true, minReplicas: 3, maxReplicas: 2}}`, "autoscaling.maxReplicas is 2, less than"},
		"a budget that keeps all":            {`{podDisruptionBudget: {maxUnavailable: 0}}`, "/podDisruptionBudget/maxUnavailable"},
		"a host with a scheme":               {`{ingress: {hosts: ["https://a.example.com"]}}`, "/ingress/hosts/0"},
		"a quota that is no quantity":        {`{quota: {hard: {limits.cpu: three}}}`, "limits.cpu"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render(t, needed, c.values)
			require.ErrorContains(t, err, c.message)
		})
	}
}

func TestTheImageIsNamedByDigestWhereThereIsOne(t *testing.T) {
	for name, c := range map[string]struct{ values, image, policy string }{
		"digest":              {`{image: {repository: r.example.com/a/b}}`, "r.example.com/a/b@" + digest, "IfNotPresent"},
		"digest and tag":      {`{image: {repository: r.example.com/a/b, tag: v7}}`, "r.example.com/a/b@" + digest, "IfNotPresent"},
		"tag":                 {`{image: {digest: "", tag: v7}}`, "jaimehenao8126/backstage-production:v7", "Always"},
		"tag and a policy":    {`{image: {digest: "", tag: v7, pullPolicy: Never}}`, "jaimehenao8126/backstage-production:v7", "Never"},
		"digest and a policy": {`{image: {pullPolicy: Always}}`, "jaimehenao8126/backstage-production@" + digest, "Always"},
	} {
		t.Run(name, func(t *testing.T) {
			deployment := mustRender(t, c.values)["Deployment/backstage"].object
			require.Equal(t, c.image, at(t, deployment, "spec.template.spec.containers[backstage].image"))
			require.Equal(t, c.policy, at(t, deployment, "spec.template.spec.containers[backstage].imagePullPolicy"))
		})
	}
}

// template gives what decides whether the pods of an object are replaced.
func template(t *testing.T, documents map[string]document, key string) any {
	t.Helper()
	require.Contains(t, documents, key)
	return at(t, documents[key].object, "spec.template")
}

func TestPodsRestartWhenTheirEnvironmentChanges(t *testing.T) {
	before := mustRender(t)
	for name, c := range map[string]struct {
		values   string
		restarts bool
	}{
		"the configuration":        {`{config: {logLevel: debug}}`, true},
		"a further variable":       {`{config: {extra: {A: b}}}`, true},
		"the number of pods":       {`{replicaCount: 5}`, false},
		"the Service":              {`{service: {port: 8080}}`, false},
		"the size of the database": {`{postgresql: {resources: {limits: {cpu: "2"}}}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			after := mustRender(t, c.values)
			same := template(t, before, "Deployment/backstage")
			if c.restarts {
				require.NotEqual(t, same, template(t, after, "Deployment/backstage"))
				require.Equal(t, template(t, before, "StatefulSet/psql-postgresql"), template(t, after, "StatefulSet/psql-postgresql"), "the database restarts, too")
			} else {
				require.Equal(t, same, template(t, after, "Deployment/backstage"))
			}
		})
	}
}

func TestASecretOfTheUsersIsReadAndNoneIsMade(t *testing.T) {
	own := `{secrets: {existingSecret: vault-made, postgresPassword: ""}}`
	documents := mustRender(t, own)
	require.NotContains(t, documents, "Secret/backstage-secrets")
	require.NotContains(t, documents, "Secret/vault-made")
	deployment, database := documents["Deployment/backstage"].object, documents["StatefulSet/psql-postgresql"].object
	require.Equal(t, "vault-made", at(t, deployment, "spec.template.spec.containers[backstage].envFrom[1].secretRef.name"))
	require.Equal(t, "vault-made", at(t, database, "spec.template.spec.containers[0].env[APPLICATION_PASSWORD].valueFrom.secretKeyRef.name"))
	again := mustRender(t, own, `{secrets: {existingSecretVersion: "2"}}`)
	require.NotEqual(t, template(t, documents, "Deployment/backstage"), template(t, again, "Deployment/backstage"))
}

func TestSecretsReachTheClusterUnchanged(t *testing.T) {
	awkward := `p"a's\s: #{{ .Values }} ü `
	text, err := yaml.Marshal(map[string]any{"secrets": map[string]any{
		"postgresPassword": awkward, "githubToken": "t", "githubClientId": "i", "githubClientSecret": "0123",
		"extra": map[string]any{"SMOKE_TOKEN": "yes"},
	}})
	require.NoError(t, err)
	var secret corev1.Secret
	require.NoError(t, yaml.Unmarshal([]byte(mustRender(t, string(text))["Secret/backstage-secrets"].text), &secret))
	got := map[string]string{}
	for key, value := range secret.Data {
		got[key] = string(value)
	}
	require.Equal(t, map[string]string{
		"POSTGRES_USER": "backstage", "POSTGRES_PASSWORD": awkward, "SMOKE_TOKEN": "yes",
		"GITHUB_TOKEN": "t", "GITHUB_CLIENT_ID": "i", "GITHUB_CLIENT_SECRET": "0123",
	}, got)
}

func TestADatabaseElsewhereNeedsNoneOfOurs(t *testing.T) {
	documents := mustRender(t, `{postgresql: {enabled: false}, config: {postgresHost: db.example.com, postgresPort: 6432}}`)
	for key := range documents {
		require.NotContains(t, key, "psql-postgresql")
	}
	config := documents["ConfigMap/backstage-env-config"].object
	require.Equal(t, "db.example.com", at(t, config, "data.POSTGRES_HOST"))
	require.Equal(t, "6432", at(t, config, "data.POSTGRES_PORT"))
}

func TestTheReachOfTheRole(t *testing.T) {
	narrow := mustRender(t)["ClusterRole/backstage-backend"]
	require.NotContains(t, narrow.text, "secrets")
	require.NotContains(t, narrow.text, "*")
	seed := mustRender(t, `{rbac: {mode: seed}}`)["ClusterRole/backstage-backend"].object
	require.Equal(t, []any{map[string]any{
		"apiGroups": []any{"*"}, "resources": []any{"*"}, "verbs": []any{"get", "list", "watch"},
	}}, at(t, seed, "rules"))
	for key := range mustRender(t, `{rbac: {mode: none}}`) {
		require.NotContains(t, key, "ClusterRole")
	}
}
