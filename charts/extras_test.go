package charts_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFurtherAuthoritiesAreTrusted(t *testing.T) {
	const given = `postgresql: {tls: {mode: secret, existingSecret: database-tls}}`
	items := func(key string) list { return list{fields{"key": key, "path": "ca.crt"}} }
	for name, c := range map[string]struct {
		values string
		volume fields
	}{
		"a ConfigMap": {`{caBundle: {configMap: authorities}}`, fields{"configMap": fields{"name": "authorities", "items": items("ca.crt")}}},
		"a Secret":    {`{caBundle: {secret: authorities, key: bundle.pem}}`, fields{"secret": fields{"secretName": "authorities", "items": items("bundle.pem")}}},
		// The private key beside it must not be mounted.
		"the database's certificate":            {`{` + given + `}`, fields{"secret": fields{"secretName": "database-tls", "items": items("ca.crt")}}},
		"a bundle goes over the database's own": {`{` + given + `, caBundle: {configMap: authorities}}`, fields{"configMap": fields{"name": "authorities", "items": items("ca.crt")}}},
	} {
		t.Run(name, func(t *testing.T) {
			object := mustRender(t, c.values)[deployment].object
			volume, ok := at(t, object, pod+"volumes[trust]").(fields)
			require.True(t, ok)
			delete(volume, "name")
			require.Equal(t, c.volume, volume)
			require.Equal(t, "/etc/backstage-trust", at(t, object, container+"volumeMounts[trust].mountPath"))
			require.Equal(t, "/etc/backstage-trust/ca.crt", at(t, object, container+"env[NODE_EXTRA_CA_CERTS].value"))
		})
	}
	require.NotContains(t, mustRender(t)[deployment].text, "trust")
}

func TestWhatElseIsNeededCanBeAdded(t *testing.T) {
	documents := mustRender(t, `
extraEnv: [{name: A, value: b}]
extraEnvFrom: [{secretRef: {name: more}}]
extraVolumes: [{name: v, emptyDir: {}}]
extraVolumeMounts: [{name: v, mountPath: /v}]
extraInitContainers: [{name: i, image: "busybox:1.36"}]
extraContainers: [{name: s, image: "busybox:1.36"}]
extraObjects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {host: '{{ include "backstage.postgresHost" . }}'}}
  - |
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: two, namespace: '{{ .Release.Namespace }}'}
`)
	object := documents[deployment].object
	for path, want := range map[string]any{
		container + "env[A].value":              "b",
		container + "envFrom[2].secretRef":      fields{"name": "more"},
		pod + "volumes[v].emptyDir":             fields{},
		container + "volumeMounts[v].mountPath": "/v",
		pod + "initContainers[0].name":          "wait-for-postgres",
		pod + "initContainers[1].name":          "i",
		pod + "containers[0].name":              "backstage",
		pod + "containers[s].image":             "busybox:1.36",
	} {
		require.Equal(t, want, at(t, object, path), path)
	}
	require.Equal(t, "psql-postgresql.backstage.svc.cluster.local", at(t, documents["ConfigMap/one"].object, "data.host"))
	require.Equal(t, "backstage", at(t, documents["ConfigMap/two"].object, "metadata.namespace"))
}

func TestAnInitContainerOfTheUsersNeedsNoneOfOurs(t *testing.T) {
	object := mustRender(t, `{waitForPostgres: {enabled: false}, extraInitContainers: [{name: i, image: "busybox:1.36"}]}`)[deployment].object
	require.Equal(t, list{fields{"name": "i", "image": "busybox:1.36"}}, at(t, object, pod+"initContainers"))
}

// The kubernetes plugin lists each kind by the one selector of an entity
// (backstage.io/kubernetes-label-selector) and puts together what it got.
func TestOneSelectorFindsTheDeploymentItsPodsAndTheService(t *testing.T) {
	documents := mustRender(t)
	for _, labels := range []any{
		at(t, documents[deployment].object, "metadata.labels"), at(t, documents[deployment].object, "spec.template.metadata.labels"),
		at(t, documents["Service/backstage"].object, "metadata.labels"),
	} {
		require.Subset(t, labels, fields{"app.kubernetes.io/name": "backstage"})
	}
}
