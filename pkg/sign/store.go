package sign

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

const (
	// Manifests and lists. A signature is about 1 KiB; with certificate and log entry,
	// which lie in the manifest, below 20 KiB.
	maxAnswer     = 4 << 20
	maxSignatures = 200
	// MaxPredicate is how large the claim of an attestation may be, in bytes; the SBOM
	// of an image with 2000 packages has 4 MB to 10 MB.
	MaxPredicate = 32 << 20
	// maxEntry is a signature or an attestation as it is stored: the largest predicate
	// in base64, with what belongs to it. What is larger is passed over.
	maxEntry = MaxPredicate/3*4 + 1<<20
	// maxEntries is what all of one place may have together.
	maxEntries = 8 * maxEntry
	maxText    = 500 // characters of a foreign message

	bundleLayer = "application/vnd.dev.sigstore.bundle"
)

// place is where the registry keeps signatures and attestations of an image.
type place string

const (
	signatureTag   place = "signatures"             // the tag sha256-….sig
	attestationTag place = "attestations"           // the tag sha256-….att
	referrers      place = "signatures and bundles" // OCI referrers of the image
)

// store is one image's signatures and attestations in its registry.
type store struct {
	digest  name.Digest
	keys    authn.Keychain
	wire    http.RoundTripper
	options []ociremote.Option
	have    map[place][]entry // what was read already
}

// openStore also makes sure that the image itself is there: a signature of an
// image that is missing is worth nothing. Without keys the credentials are those of
// `docker login`.
func openStore(ctx context.Context, image record.Image, keys authn.Keychain, insecure []string) (*store, error) {
	digest, err := name.NewDigest(image.String())
	if err != nil {
		return nil, record.BadInput("sign/options", "parsing image %q: %w", image, err)
	}
	if keys == nil {
		keys = authn.DefaultKeychain
	}
	s := &store{digest: digest, keys: keys, have: map[place][]entry{}}
	s.wire = registry.NewTransport(registry.TransportOptions{Insecure: insecure, MaxAnswer: maxAnswer, MaxBlob: maxEntry})
	s.options = []ociremote.Option{ociremote.WithRemoteOptions(s.registry(ctx)...)}
	// GET, because the checksum of the answer is compared with the digest.
	if _, err := remote.Get(digest, s.registry(ctx)...); err != nil {
		if notFound(err) {
			return nil, record.Refused("sign/image-not-found",
				"looking up image %q: the registry does not have it: %w; push it first (`stagecrew build`), or check repository and digest", image, bounded{err})
		}
		return nil, registryError(err, "looking up image %q", image)
	}
	return s, nil
}

// registry are the options of every request.
func (s *store) registry(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(s.keys),
		remote.WithTransport(s.wire),
		remote.WithUserAgent("stagecrew"),
	}
}

// read gives all entries of one place. They are read into memory, so that what is
// checked cannot change under the check and a network error is never taken for a
// bad signature.
func (s *store) read(ctx context.Context, from place) ([]entry, error) {
	if entries, have := s.have[from]; have {
		return entries, nil
	}
	entries, err := s.fetch(ctx, from)
	switch {
	case errors.Is(err, errTooMany):
		return nil, record.Refused("sign/too-many", "reading the %s of %q: %w; remove those that nobody needs", from, s.digest, err)
	case err != nil:
		return nil, registryError(err, "reading the %s of %q", from, s.digest)
	}
	s.have[from] = entries
	return entries, nil
}

var errTooMany = fmt.Errorf("there are more than %d", maxSignatures)

func (s *store) fetch(ctx context.Context, from place) ([]entry, error) {
	switch from {
	case referrers:
		return s.bundles(ctx)
	case attestationTag:
		tag, err := ociremote.AttestationTag(s.digest, s.options...)
		if err != nil {
			return nil, err
		}
		return s.legacy(ctx, tag, true)
	default:
		tag, err := ociremote.SignatureTag(s.digest, s.options...)
		if err != nil {
			return nil, err
		}
		return s.legacy(ctx, tag, false)
	}
}

func (s *store) legacy(ctx context.Context, tag name.Tag, attestations bool) ([]entry, error) {
	list, err := ociremote.Signatures(tag, s.options...)
	if err != nil {
		return nil, err
	}
	remotes, err := list.Get()
	if err != nil {
		return nil, err
	}
	if len(remotes) > maxSignatures {
		return nil, errTooMany
	}
	var all []entry
	left := int64(maxEntries)
	for _, r := range remotes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		one, err := readLegacy(r, attestations, &left)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// readLegacy reads one entry. What somebody put there that cannot be one has a
// problem: whoever may push must not be able to hide the signatures beside it.
func readLegacy(r oci.Signature, attestation bool, left *int64) (entry, error) {
	size, err := r.Size()
	if err == nil {
		err = fits(size, left)
	}
	if err != nil {
		return entry{format: record.SignatureLegacy, problem: err}, nil //nolint:nilerr // the entry has it
	}
	// The content first: only then can an error of the copy be about the form.
	if _, err := r.Payload(); err != nil {
		return entry{format: record.SignatureLegacy, problem: err}, unanswered(err)
	}
	copied, err := static.Copy(r)
	if err != nil {
		return entry{format: record.SignatureLegacy, problem: err}, nil //nolint:nilerr // the entry has it
	}
	return fromLegacy(copied, attestation), nil
}

// fits takes the size of an entry from what is left for all.
func fits(size int64, left *int64) error {
	if size > maxEntry || size > *left {
		return fmt.Errorf("it has %d bytes, and is not read: the limit is %d for one, and %d for all that are beside an image", size, maxEntry, maxEntries)
	}
	*left -= size
	return nil
}

// unanswered gives an error that says nothing about what is stored, and nil for one
// that does: a size or a digest that is not the one of the manifest.
func unanswered(err error) error {
	var answer *transport.Error
	var network net.Error
	var request *url.Error
	if registry.Final(err) || errors.As(err, &answer) || errors.As(err, &network) || errors.As(err, &request) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func (s *store) bundles(ctx context.Context) ([]entry, error) {
	index, err := ociremote.Referrers(s.digest, "", s.options...)
	if err != nil {
		return nil, err
	}
	var all []entry
	left := int64(maxEntries)
	for _, m := range index.Manifests {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(all) == maxSignatures {
			return nil, errTooMany
		}
		if m.Size > maxAnswer {
			all = append(all, entry{format: record.SignatureBundle, problem: fmt.Errorf("its manifest has %d bytes", m.Size)})
			continue
		}
		e, isBundle, err := s.referrer(ctx, m.Digest, &left)
		if err != nil {
			return nil, err
		}
		if isBundle {
			all = append(all, e)
		}
	}
	return all, nil
}

// referrer reads a manifest that refers to the image. What kind it is of is told by
// its layer: not all registries list the type of an artifact as it was written.
func (s *store) referrer(ctx context.Context, digest v1.Hash, left *int64) (e entry, isBundle bool, err error) {
	image, err := remote.Image(s.digest.Digest(digest.String()), s.registry(ctx)...)
	if err != nil {
		return e, false, err
	}
	manifest, err := image.Manifest()
	if err != nil || len(manifest.Layers) != 1 || !strings.HasPrefix(string(manifest.Layers[0].MediaType), bundleLayer) {
		return e, false, err
	}
	if err := fits(manifest.Layers[0].Size, left); err != nil {
		return entry{format: record.SignatureBundle, problem: err}, true, nil
	}
	layer, err := image.LayerByDigest(manifest.Layers[0].Digest)
	if err != nil {
		return e, false, err
	}
	content, err := layer.Compressed()
	if err != nil {
		return e, false, err
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil {
		return entry{format: record.SignatureBundle, problem: err}, true, unanswered(err)
	}
	whole := &bundle.Bundle{}
	return entry{format: record.SignatureBundle, bundle: whole, problem: whole.UnmarshalJSON(text)}, true, nil
}

// add stores one more object beside those that are there.
func (s *store) add(d draft, made *protobundle.Bundle, chain []*x509.Certificate) error {
	if err := s.write(d, made, chain); err != nil {
		return registryError(err, "storing the %s of %q", d.what(), s.digest)
	}
	return nil
}

func (s *store) write(d draft, made *protobundle.Bundle, chain []*x509.Certificate) error {
	if d.format == record.SignatureBundle {
		text, err := protojson.Marshal(made)
		if err != nil {
			return err
		}
		return ociremote.WriteAttestationNewBundleFormat(s.digest, text, d.predicateType, s.options...)
	}
	legacy, err := toLegacy(made, d.text, chain)
	if err != nil {
		return err
	}
	attach, write := mutate.AttachAttestationToEntity, ociremote.WriteAttestations
	if d.signature() {
		attach, write = mutate.AttachSignatureToEntity, ociremote.WriteSignatures
	}
	entity, err := attach(ociremote.SignedUnknown(s.digest, s.options...), legacy)
	if err != nil {
		return err
	}
	return write(s.digest.Repository, entity, s.options...)
}

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
		return record.Unavailable("sign/registry-denied",
			"%s: %w; log in first (`docker login %s`) with an account that may do it", doing, bounded{err}, host)
	}
	return record.Unavailable("sign/registry-unavailable",
		"%s: %w; check the address and that the registry is reachable from here", doing, bounded{err})
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
