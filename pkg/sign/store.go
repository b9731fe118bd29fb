package sign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/sigstore/cosign/v2/pkg/oci"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

const (
	// A signature is about 1 KiB; with certificate and log entry below 20 KiB.
	maxAnswer     = 4 << 20
	maxSignatures = 200
	maxText       = 500 // characters of a foreign message
)

// store is the place of one image's signatures in its registry.
type store struct {
	digest  name.Digest
	hash    v1.Hash
	tag     name.Tag // sha256-….sig
	options []ociremote.Option
}

// openStore also makes sure that the image itself is there: a signature of an
// image that is missing is worth nothing. Credentials are those of `docker login`.
func openStore(ctx context.Context, image pipeline.Image) (*store, error) {
	digest, err := name.NewDigest(image.String())
	if err != nil {
		return nil, pipeline.BadInput("sign/options", "parsing image %q: %w", image, err)
	}
	hash, err := v1.NewHash(image.Digest)
	if err != nil {
		return nil, pipeline.BadInput("sign/options", "parsing image %q: %w", image, err)
	}
	registry := []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithTransport(limited{remote.DefaultTransport}),
		remote.WithUserAgent("stagecrew"),
	}
	s := &store{digest: digest, hash: hash, options: []ociremote.Option{ociremote.WithRemoteOptions(registry...)}}
	if s.tag, err = ociremote.SignatureTag(digest, s.options...); err != nil {
		return nil, pipeline.BadInput("sign/options", "parsing image %q: %w", image, err)
	}
	// GET, because the checksum of the answer is compared with the digest.
	if _, err := remote.Get(digest, registry...); err != nil {
		if notFound(err) {
			return nil, pipeline.Refused("sign/image-not-found",
				"looking up image %q: the registry does not have it: %w; push it first (`stagecrew build`), or check repository and digest", image, bounded{err})
		}
		return nil, registryError(err, "looking up image %q", image)
	}
	return s, nil
}

// signatures reads all signatures of the image into memory, so that what is
// checked cannot change under the check and a network error is never taken for
// a bad signature.
func (s *store) signatures(ctx context.Context) ([]oci.Signature, error) {
	list, err := ociremote.Signatures(s.tag, s.options...)
	if err != nil {
		return nil, registryError(err, "reading the signatures of %q", s.digest)
	}
	remotes, err := list.Get()
	if err != nil {
		return nil, registryError(err, "reading the signatures of %q", s.digest)
	}
	if len(remotes) > maxSignatures {
		return nil, pipeline.Refused("sign/too-many", "reading the signatures of %q: there are %d, the limit is %d; remove the tag %s", s.digest, len(remotes), maxSignatures, s.tag)
	}
	var stored []oci.Signature
	for _, r := range remotes {
		if err := ctx.Err(); err != nil {
			return nil, registryError(err, "reading the signatures of %q", s.digest)
		}
		// The content first: only then can an error of the copy be about the form.
		if _, err := r.Payload(); err != nil {
			return nil, registryError(err, "reading a signature of %q", s.digest)
		}
		signature, err := static.Copy(r)
		if err != nil {
			signature = broken{r, err}
		}
		stored = append(stored, signature)
	}
	return stored, nil
}

// broken stands for a signature whose form is wrong; it never verifies.
type broken struct {
	anySignature
	reason error
}

// anySignature keeps the embedded field from hiding the method Signature.
type anySignature = oci.Signature

func (b broken) Payload() ([]byte, error)         { return nil, b.reason }
func (b broken) Base64Signature() (string, error) { return "", b.reason }

func notFound(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

// registryError says that the registry could not tell, and what may help.
func registryError(err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	var answer *transport.Error
	if errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden) {
		host := "HOST"
		if answer.Request != nil {
			host = answer.Request.URL.Host
		}
		return pipeline.Unavailable("sign/registry-denied",
			"%s: %w; log in first (`docker login %s`) with an account that may do it", doing, bounded{err}, host)
	}
	return pipeline.Unavailable("sign/registry-unavailable",
		"%s: %w; check the address and that the registry is reachable from here", doing, bounded{err})
}

// limited is a transport that bounds how much a registry can make us read.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := l.next.RoundTrip(request)
	if err == nil {
		response.Body = &limitedBody{response.Body, maxAnswer}
	}
	return response, err
}

// limitedBody fails, rather than ends, when a body is too long.
type limitedBody struct {
	io.ReadCloser
	left int64
}

func (l *limitedBody) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("the registry's answer is longer than %d bytes", maxAnswer)
	}
	return n, err
}

// bounded shows at most maxText characters of a foreign message, on one line.
type bounded struct{ error }

func (b bounded) Error() string { return oneLine(b.error.Error()) }
func (b bounded) Unwrap() error { return b.error }

func oneLine(s string) string {
	text := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
	if len(text) > maxText {
		return string(text[:maxText]) + "…"
	}
	return string(text)
}
