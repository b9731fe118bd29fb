package secrets

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsed_SecretsAreNamedInAnyKindOfObject(t *testing.T) {
	record := Record{Namespace: "portal", Manifest: `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: edge}
spec: {tls: [{secretName: tls}]}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: v}
spec: {csi: {nodePublishSecretRef: {name: csi}}}
`}
	require.Equal(t, []secretKey{{"edge", "tls", false}, {"portal", "csi", false}}, used(record))
}
