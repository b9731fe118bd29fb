package sign

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	cosignbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/cosign/v2/pkg/types"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// fromLegacy reads a signature, or an attestation, of the legacy format.
func fromLegacy(s oci.Signature, attestation bool) entry {
	e := entry{format: record.SignatureLegacy}
	text, err := s.Payload()
	if err != nil {
		return entry{format: record.SignatureLegacy, problem: err}
	}
	if attestation {
		e.stamped = text
	} else {
		e.message = text
	}
	e.bundle, e.problem = convert(s, text, attestation)
	return e
}

func convert(s oci.Signature, text []byte, attestation bool) (*bundle.Bundle, error) {
	material, err := materialOf(s)
	if err != nil {
		return nil, err
	}
	// The version that knows inclusion promises, of which the legacy format consists.
	mediaType, err := bundle.MediaTypeString("0.1")
	if err != nil {
		return nil, err
	}
	b := &protobundle.Bundle{MediaType: mediaType, VerificationMaterial: material}
	if attestation {
		envelope := &protodsse.Envelope{}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, envelope); err != nil {
			return nil, fmt.Errorf("reading the envelope: %w", err)
		}
		b.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: envelope}
	} else {
		encoded, err := s.Base64Signature()
		if err != nil {
			return nil, err
		}
		signed, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("reading the signature: %w", err)
		}
		sum := sha256.Sum256(text)
		b.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]},
			Signature:     signed,
		}}
	}
	return bundle.NewBundle(b)
}

// materialOf is what a legacy signature carries for its verification.
func materialOf(s oci.Signature) (*protobundle.VerificationMaterial, error) {
	material := &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{}},
	}
	leaf, err := s.Cert()
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	if leaf != nil {
		chain, err := s.Chain()
		if err != nil {
			return nil, fmt.Errorf("reading the certificate chain: %w", err)
		}
		list := &protocommon.X509CertificateChain{}
		for _, c := range append([]*x509.Certificate{leaf}, chain...) {
			list.Certificates = append(list.Certificates, &protocommon.X509Certificate{RawBytes: c.Raw})
		}
		material.Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: list}
	}
	logged, err := s.Bundle()
	if err != nil {
		return nil, fmt.Errorf("reading the log entry: %w", err)
	}
	if logged != nil {
		entry, err := logEntry(logged)
		if err != nil {
			return nil, fmt.Errorf("reading the log entry: %w", err)
		}
		material.TlogEntries = append(material.TlogEntries, entry)
	}
	stamp, err := s.RFC3161Timestamp()
	if err != nil {
		return nil, fmt.Errorf("reading the timestamp: %w", err)
	}
	if stamp != nil {
		material.TimestampVerificationData = stamps(stamp.SignedRFC3161Timestamp)
	}
	return material, nil
}

func stamps(all ...[]byte) *protobundle.TimestampVerificationData {
	data := &protobundle.TimestampVerificationData{}
	for _, one := range all {
		data.Rfc3161Timestamps = append(data.Rfc3161Timestamps, &protocommon.RFC3161SignedTimestamp{SignedTimestamp: one})
	}
	return data
}

func logEntry(logged *cosignbundle.RekorBundle) (*protorekor.TransparencyLogEntry, error) {
	encoded, ok := logged.Payload.Body.(string)
	if !ok {
		return nil, errors.New("its body is malformed: not a text")
	}
	body, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("its body is malformed: %w", err)
	}
	var kind struct{ APIVersion, Kind string }
	if err := json.Unmarshal(body, &kind); err != nil {
		return nil, fmt.Errorf("its body is malformed: %w", err)
	}
	id, err := hex.DecodeString(logged.Payload.LogID)
	if err != nil {
		return nil, fmt.Errorf("its log ID is malformed: %w", err)
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex:          logged.Payload.LogIndex,
		LogId:             &protocommon.LogId{KeyId: id},
		KindVersion:       &protorekor.KindVersion{Kind: kind.Kind, Version: kind.APIVersion},
		IntegratedTime:    logged.Payload.IntegratedTime,
		InclusionPromise:  &protorekor.InclusionPromise{SignedEntryTimestamp: logged.SignedEntryTimestamp},
		CanonicalizedBody: body,
	}, nil
}

// toLegacy is a fresh bundle in the legacy format; chain are the certificates from
// the leaf, exclusive, to the root.
func toLegacy(b *protobundle.Bundle, message []byte, chain []*x509.Certificate) (oci.Signature, error) {
	var options []static.Option
	if leaf := b.GetVerificationMaterial().GetCertificate(); leaf != nil {
		var bundled []byte
		for _, c := range chain {
			bundled = append(bundled, encodeCertificate(c.Raw)...)
		}
		options = append(options, static.WithCertChain(encodeCertificate(leaf.GetRawBytes()), bundled))
	}
	for _, e := range b.GetVerificationMaterial().GetTlogEntries() {
		if e.GetInclusionPromise() == nil {
			return nil, errors.New("the log gave no inclusion promise, which the legacy format needs")
		}
		options = append(options, static.WithBundle(&cosignbundle.RekorBundle{
			SignedEntryTimestamp: e.GetInclusionPromise().GetSignedEntryTimestamp(),
			Payload: cosignbundle.RekorPayload{
				Body:           base64.StdEncoding.EncodeToString(e.GetCanonicalizedBody()),
				IntegratedTime: e.GetIntegratedTime(), LogIndex: e.GetLogIndex(), LogID: hex.EncodeToString(e.GetLogId().GetKeyId()),
			},
		}))
	}
	for _, stamp := range b.GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps() {
		options = append(options, static.WithRFC3161Timestamp(&cosignbundle.RFC3161Timestamp{SignedRFC3161Timestamp: stamp.GetSignedTimestamp()}))
	}
	if envelope := b.GetDsseEnvelope(); envelope != nil {
		said, err := readStatement(envelope.GetPayload())
		if err != nil {
			return nil, err
		}
		text, err := legacyEnvelope(envelope)
		if err != nil {
			return nil, err
		}
		return static.NewAttestation(text, append(options,
			static.WithLayerMediaType(types.DssePayloadType),
			static.WithAnnotations(map[string]string{"predicateType": said.PredicateType}))...)
	}
	return static.NewSignature(message, base64.StdEncoding.EncodeToString(b.GetMessageSignature().GetSignature()), options...)
}

// legacyEnvelope is the text of an attestation in the legacy format; the timestamps
// of this format are about it.
func legacyEnvelope(e *protodsse.Envelope) ([]byte, error) {
	type signature struct {
		KeyID string `json:"keyid"`
		Sig   []byte `json:"sig"`
	}
	text := struct {
		PayloadType string      `json:"payloadType"`
		Payload     []byte      `json:"payload"`
		Signatures  []signature `json:"signatures"`
	}{PayloadType: e.GetPayloadType(), Payload: e.GetPayload()}
	for _, one := range e.GetSignatures() {
		text.Signatures = append(text.Signatures, signature{one.GetKeyid(), one.GetSig()})
	}
	return json.Marshal(text)
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
