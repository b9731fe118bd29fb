package sign

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

var (
	keyPattern    = regexp.MustCompile(`^key sha256:[0-9a-f]{64}$`)
	digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// refuseKey finds out why no signature fits the key: made for another digest,
// altered, or made with another key.
func refuseKey(image pipeline.Image, stored []oci.Signature, key signature.Verifier, identity string) error {
	var others []string
	altered := false
	for _, s := range stored {
		claim := readClaim(s)
		switch {
		case signedBy(s, key):
			return pipeline.Refused("sign/other-digest",
				"verifying %q: its signature by %s is about %s, not about this image; somebody copied it here: do not deploy, sign the image that was built", image, identity, claim.digest)
		case claim.key == identity:
			altered = true
		case !slices.Contains(others, claim.key):
			others = append(others, claim.key)
		}
	}
	if altered {
		return pipeline.Refused("sign/altered",
			"verifying %q: a signature names %s, but its text was altered after signing: do not deploy, sign the image that was built", image, identity)
	}
	return pipeline.Refused("sign/key-mismatch",
		"verifying %q: it is signed by %s, but %s is trusted; give the public key that belongs to the signing key, or sign with the key that is trusted", image, strings.Join(others, ", "), strings.TrimSpace(identity))
}

// signedBy tells whether the key made the signature, whatever it is about.
func signedBy(s oci.Signature, key signature.Verifier) bool {
	text, err := s.Payload()
	if err != nil {
		return false
	}
	encoded, err := s.Base64Signature()
	if err != nil {
		return false
	}
	signed, err := base64.StdEncoding.DecodeString(encoded)
	return err == nil && key.VerifySignature(bytes.NewReader(signed), bytes.NewReader(text)) == nil
}

// claim is what a signature says about itself, for messages only.
type claim struct{ digest, key string }

func readClaim(s oci.Signature) claim {
	c := claim{digest: "something else", key: "a key that it does not name"}
	text, err := s.Payload()
	if err != nil {
		return c
	}
	var simple payload.SimpleContainerImage
	if json.Unmarshal(text, &simple) != nil {
		return c
	}
	if digest := simple.Critical.Image.DockerManifestDigest; digestPattern.MatchString(digest) {
		c.digest = digest
	}
	if key, ok := simple.Optional[keyNote].(string); ok && keyPattern.MatchString(key) {
		c.key = key
	}
	return c
}
