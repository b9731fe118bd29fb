package sign

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/sigstore/pkg/signature/payload"
)

const (
	statementType       = "https://in-toto.io/Statement/v1"
	statementTypeBefore = "https://in-toto.io/Statement/v0.1"
	statementFormat     = "application/vnd.in-toto+json"
	// signPredicate is the predicate type of a signature in the bundle format.
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
	// keyNote is the name under which the signed text says which key signed, so that
	// a refusal can name both keys. Nothing is ever accepted because of it.
	keyNote = "dev.stagecrew.key"
)

// statement is what was signed about an image: an in-toto statement, or
// cosign's simple signing text, which says as much as one without a predicate.
type statement struct {
	Type          string          `json:"_type"`
	Subject       []subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate,omitempty"`

	note       string // the key that a simple signing text names
	by         string // the identity in the certificate or the key, once it is checked
	repository string // the URI of the repository in the certificate, once it is checked
}

type subject struct {
	Name   string            `json:"name,omitempty"`
	Digest map[string]string `json:"digest"`
}

// about reports whether the image with the digest ("sha256:…") is a subject.
func (s statement) about(digest string) bool {
	return slices.ContainsFunc(s.Subject, func(one subject) bool { return "sha256:"+one.Digest["sha256"] == digest })
}

// subjects are the digests that the statement is about, for messages.
func (s statement) subjects() string {
	if len(s.Subject) == 1 && digestPattern.MatchString("sha256:"+s.Subject[0].Digest["sha256"]) {
		return "sha256:" + s.Subject[0].Digest["sha256"]
	}
	return "something else"
}

func newStatement(image name.Digest, predicateType string, predicate json.RawMessage) ([]byte, error) {
	return json.Marshal(statement{
		Type: statementType, PredicateType: predicateType, Predicate: predicate,
		Subject: []subject{{Name: image.Context().Name(), Digest: map[string]string{"sha256": image.DigestStr()[len("sha256:"):]}}},
	})
}

// newSimpleSigning is the text of a signature in the legacy format.
func newSimpleSigning(image name.Digest, by string) ([]byte, error) {
	text := payload.Cosign{Image: image}
	if keyPattern.MatchString(by) {
		text.Annotations = map[string]any{keyNote: by}
	}
	return text.MarshalJSON()
}

func readStatement(text []byte) (statement, error) {
	var s statement
	if err := json.Unmarshal(text, &s); err != nil {
		return statement{}, fmt.Errorf("reading an in-toto statement: %w", err)
	}
	// Version 0.1 has the same fields; cosign 2 and GitHub's attestations have it.
	if s.Type != statementType && s.Type != statementTypeBefore {
		return statement{}, fmt.Errorf("reading an in-toto statement: its _type is %q, not %q", oneLine(s.Type), statementType)
	}
	if s.PredicateType == "" || len(s.Subject) == 0 {
		return statement{}, errors.New("reading an in-toto statement: it has no predicate type or no subject")
	}
	return s, nil
}

func readSimpleSigning(text []byte) (statement, error) {
	var simple payload.SimpleContainerImage
	if err := json.Unmarshal(text, &simple); err != nil {
		return statement{}, fmt.Errorf("reading a simple signing text: %w", err)
	}
	if simple.Critical.Type != payload.CosignSignatureType {
		return statement{}, fmt.Errorf("reading a simple signing text: its type is %q, not %q", oneLine(simple.Critical.Type), payload.CosignSignatureType)
	}
	digest := simple.Critical.Image.DockerManifestDigest
	if !digestPattern.MatchString(digest) {
		return statement{}, fmt.Errorf("reading a simple signing text: %q is not a digest", oneLine(digest))
	}
	s := statement{PredicateType: signPredicate, Subject: []subject{{Digest: map[string]string{"sha256": digest[len("sha256:"):]}}}}
	if note, ok := simple.Optional[keyNote].(string); ok && keyPattern.MatchString(note) {
		s.note = note
	}
	return s, nil
}
