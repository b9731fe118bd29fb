package sign

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/stretchr/testify/require"
)

// FuzzEntries reads what anybody who may push can put beside an image.
func FuzzEntries(f *testing.F) {
	digest := "sha256:" + strings.Repeat("a", 64)
	simple := `{"critical":{"identity":{"docker-reference":"x"},"image":{"docker-manifest-digest":"` + digest + `"},"type":"cosign container image signature"},"optional":{"dev.stagecrew.key":"sha256:0"}}`
	log := `{"SignedEntryTimestamp":"AA==","Payload":{"body":"e30=","integratedTime":1,"logIndex":2,"logID":"00"}}`
	f.Add([]byte(simple), "AAAA", []byte(log), []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"))
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"AA=="}]}`), "", []byte("null"), []byte{})
	f.Add([]byte(`{"_type":"x","subject":[{"digest":{"sha256":"a"}}],"predicateType":"p","predicate":{"metadata":{"scanFinishedOn":"2026-01-01T00:00:00Z"}}}`), "?", []byte(`{"Payload":{"body":7}}`), []byte("x"))
	f.Fuzz(func(t *testing.T, payload []byte, signature string, log, certificate []byte) {
		options := []static.Option{static.WithCertChain(certificate, certificate), static.WithAnnotations(map[string]string{"dev.sigstore.cosign/bundle": string(log)})}
		for _, opts := range [][]static.Option{nil, options[:1], options[1:]} {
			one, err := static.NewSignature(payload, signature, opts...)
			if err != nil {
				continue
			}
			for _, attestation := range []bool{false, true} {
				e := fromLegacy(one, attestation)
				require.True(t, e.problem != nil || e.bundle != nil)
				if e.problem == nil {
					_ = e.entity()
					_, _ = e.statement()
					_ = e.signer()
				}
			}
		}
		for _, text := range [][]byte{payload, log} {
			if s, err := readStatement(text); err == nil {
				_ = s.about(digest)
				_ = s.subjects()
				_ = builtFrom(s.Predicate)
				_, _ = scannedAt(s.Predicate)
			}
			if s, err := readSimpleSigning(text); err == nil {
				require.Len(t, s.Subject, 1)
			}
		}
		_, _ = base64.StdEncoding.DecodeString(signature)
	})
}
