package sign

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"crypto/x509"
	"encoding/json"
	"fmt"

	"github.com/sigstore/cosign/v2/pkg/oci"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// signed is a draft in the form in which it is stored: either of legacy and bundle.
type signed struct {
	draft
	legacy   oci.Signature
	artifact *artifact
	bundle   json.RawMessage // of the artifact
}

func (d draft) signed(made *protobundle.Bundle, chain []*x509.Certificate, image v1.Descriptor) (one signed, err error) {
	one.draft = d
	if d.format == record.SignatureBundle {
		text, err := protojson.Marshal(made)
		if err != nil {
			return one, err
		}
		one.bundle = text
		one.artifact, err = newArtifact(text, d.predicateType, image)
		return one, err
	}
	one.legacy, err = toLegacy(made, d.text, chain)
	return one, err
}

// draft is one object to sign and store: a signature or an attestation in one of
// the formats.
type draft struct {
	format        record.SignatureFormat // legacy or bundle
	predicateType string                 // signPredicate for a signature
	text          []byte                 // a simple signing text for a signature in the legacy format, else an in-toto statement
}

func (d draft) signature() bool { return d.predicateType == signPredicate }

// message reports whether the text is signed as it is, not as the payload of an envelope.
func (d draft) message() bool { return d.signature() && d.format == record.SignatureLegacy }

func (d draft) statement() (statement, error) {
	if d.message() {
		return readSimpleSigning(d.text)
	}
	return readStatement(d.text)
}

// place is where the registry keeps the object.
func (d draft) place() place {
	switch {
	case d.format == record.SignatureBundle:
		return referrers
	case d.signature():
		return signatureTag
	default:
		return attestationTag
	}
}

func (d draft) what() string {
	if d.signature() {
		return fmt.Sprintf("signature (%s)", d.format)
	}
	return fmt.Sprintf("attestation %s (%s)", d.predicateType, d.format)
}

// drafts are all objects that the options ask for; the signature comes last, so
// that an image with a signature has its attestations, too.
func (o SignOptions) drafts(store *store, signature bool, by *signer) ([]draft, error) {
	var all []draft
	formats := o.formats()
	for _, a := range o.Attestations {
		text, err := newStatement(store.digest, a.Type, a.Predicate)
		if err != nil {
			return nil, record.BadInput("sign/options", "making the attestation %s: %w", a.Type, err)
		}
		for _, f := range formats {
			all = append(all, draft{f, a.Type, text})
		}
	}
	if !signature {
		return all, nil
	}
	for _, f := range formats {
		text, err := newStatement(store.digest, signPredicate, nil)
		if f == record.SignatureLegacy {
			text, err = newSimpleSigning(store.digest, by.trust.name)
		}
		if err != nil {
			return nil, fmt.Errorf("signing %q: %w", o.Image, err)
		}
		all = append(all, draft{f, signPredicate, text})
	}
	return all, nil
}
