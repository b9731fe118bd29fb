package sign

import (
	"github.com/sigstore/cosign/v2/pkg/oci"

	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/proto"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// entry is a signature or an attestation as it lies in the registry. Both formats
// are brought into the form of a bundle, so that one verifier checks all of them.
type entry struct {
	format  record.SignatureFormat
	bundle  *bundle.Bundle
	message []byte // the signed text where the bundle has none: simple signing
	stamped []byte // what the timestamps are about, where that is not the signature
	problem error  // why it cannot be read; such an entry never verifies
	// What it consists of, for a copy: a bundle only when everything is sought.
	legacy   oci.Signature
	artifact *artifact
}

// entity is what the verifier is given.
func (e entry) entity() verify.SignedEntity {
	if e.stamped != nil && len(e.bundle.GetVerificationMaterial().GetTlogEntries()) == 0 {
		return stampedEntity{e.bundle, e.stamped}
	}
	return e.bundle
}

// stampedEntity is an attestation of the legacy format, whose timestamps are about
// the whole envelope. The signature itself is not taken from here: it is checked
// with the envelope that holds it.
type stampedEntity struct {
	*bundle.Bundle
	text []byte
}

func (s stampedEntity) SignatureContent() (verify.SignatureContent, error) {
	content, err := s.Bundle.SignatureContent()
	return stampedContent{content, s.text}, err
}

type stampedContent struct {
	verify.SignatureContent
	text []byte
}

func (s stampedContent) Signature() []byte { return s.text }

// statement is what the entry says, whoever signed it.
func (e entry) statement() (statement, error) {
	if e.problem != nil {
		return statement{}, e.problem
	}
	if envelope := e.bundle.GetDsseEnvelope(); envelope != nil {
		return readStatement(envelope.GetPayload())
	}
	return readSimpleSigning(e.message)
}

// signer names who claims to have signed: the identity in the certificate or the
// key that the entry names; for messages only.
func (e entry) signer() string {
	unknown := "a key that it does not name"
	if e.problem != nil {
		return unknown
	}
	content, err := e.bundle.VerificationContent()
	if err != nil {
		return unknown
	}
	if leaf := content.Certificate(); leaf != nil {
		if len(leaf.URIs) == 1 {
			return oneLine(leaf.URIs[0].String())
		}
		return "a certificate without a workflow's identity"
	}
	if said, err := e.statement(); err == nil && said.note != "" {
		return said.note
	}
	if hint, err := base64.StdEncoding.DecodeString(content.PublicKey().Hint()); err == nil && len(hint) == sha256.Size {
		return "key sha256:" + hex.EncodeToString(hint)
	}
	return unknown
}

// maxSigners is how many signatures of one envelope are looked at.
const maxSigners = 16

// split gives an entry for each signature of an envelope that several have signed, of which
// any may be that of whom is trusted: the verifier wants one, as a bundle has
// (secure-systems-lab/dsse#40, sigstore/cosign#2415, sigstore/sigstore-go#225).
func (e entry) split() []entry {
	if e.problem != nil || len(e.bundle.GetDsseEnvelope().GetSignatures()) < 2 {
		return []entry{e}
	}
	signatures := e.bundle.GetDsseEnvelope().GetSignatures()
	var all []entry
	for _, one := range signatures[:min(len(signatures), maxSigners)] {
		alone, ok := proto.Clone(e.bundle.Bundle).(*protobundle.Bundle)
		if !ok {
			continue
		}
		alone.GetDsseEnvelope().Signatures = []*protodsse.Signature{one}
		of := e
		of.bundle, of.problem = bundle.NewBundle(alone)
		all = append(all, of)
	}
	return all
}
