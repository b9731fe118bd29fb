package sign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ggcr "github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

const (
	// Manifests and lists. A signature is about 1 KiB; with certificate and log entry,
	// which lie in the manifest, below 20 KiB.
	maxAnswer     = 4 << 20
	maxSignatures = 200
	// MaxPredicate is how large the claim of an attestation may be, in bytes. An SBOM has
	// up to 1.7 KB for each package and platform: 34 MB for 20 000 packages.
	MaxPredicate = 64 << 20
	// maxEntry is a signature or an attestation as it is stored: the largest predicate
	// in base64, with what belongs to it. What is larger is passed over.
	maxEntry = MaxPredicate/3*4 + 1<<20
	// maxEntries is what all of one place may have together.
	maxEntries = 4 * maxEntry
	maxText    = 500 // characters of a foreign message
	maxShown   = 3   // digests in a message

	bundleLayer = "application/vnd.dev.sigstore.bundle"
	// Annotations that name the predicate type of a bundle's manifest, and of an
	// attestation's layer.
	bundleType, layerType = "dev.sigstore.bundle.predicateType", "predicateType"
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
	log     *slog.Logger
	have    map[sought][]entry // what was read already
	gone    []string           // digests that the registry lists, but does not have
}

// sought is what is looked for in one place.
type sought struct {
	from          place
	predicateType string // signPredicate for a signature
}

// other reports whether annotations say that something is of another type: it need
// not be read.
func (w sought) other(annotations map[string]string, key string) bool {
	said := annotations[key]
	return said != "" && said != w.predicateType
}

// missing notes what a clean-up removed from under the list that names it.
func (s *store) missing(digest v1.Hash) {
	if one := digest.String(); !slices.Contains(s.gone, one) {
		s.gone = append(s.gone, one)
		s.log.Warn("the registry lists it beside the image, but does not have it any more; it is passed over", "image", s.digest, "digest", one)
	}
}

// whatIsGone completes a refusal: it is empty when nothing is missing.
func (s *store) whatIsGone() string {
	if len(s.gone) == 0 {
		return ""
	}
	shown := s.gone[:min(len(s.gone), maxShown)]
	return fmt.Sprintf("; the registry lists %d beside it that it does not have any more, as after a clean-up of untagged versions: %s", len(s.gone), strings.Join(shown, ", "))
}

// openStore also makes sure that the image itself is there: a signature of an
// image that is missing is worth nothing. Without keys the credentials are those of
// `docker login`.
func openStore(ctx context.Context, image record.Image, keys authn.Keychain, insecure []string, log *slog.Logger) (*store, error) {
	digest, err := name.NewDigest(image.String())
	if err != nil {
		return nil, record.BadInput("sign/options", "parsing image %q: %w", image, err)
	}
	if keys == nil {
		keys = authn.DefaultKeychain
	}
	s := &store{digest: digest, keys: keys, log: log, have: map[sought][]entry{}}
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

// read gives the entries of one place, without those that say that they are of another
// type. They are read into memory, so that what is checked cannot change under the check
// and a network error is never taken for a bad signature.
func (s *store) read(ctx context.Context, wanted sought) ([]entry, error) {
	if entries, have := s.have[wanted]; have {
		return entries, nil
	}
	entries, err := s.fetch(ctx, wanted)
	switch {
	case errors.Is(err, errTooMany):
		return nil, record.Refused("sign/too-many", "reading the %s of %q: %w; remove those that nobody needs", wanted.from, s.digest, err)
	case err != nil:
		return nil, registryError(err, "reading the %s of %q", wanted.from, s.digest)
	}
	s.have[wanted] = entries
	return entries, nil
}

var errTooMany = fmt.Errorf("there are more than %d", maxSignatures)

func (s *store) fetch(ctx context.Context, wanted sought) ([]entry, error) {
	if wanted.from == referrers {
		return s.bundles(ctx, wanted)
	}
	tag, err := s.tag(wanted.from)
	if err != nil {
		return nil, err
	}
	return s.legacy(ctx, tag, wanted)
}

// tag is where the legacy format keeps all signatures, or all attestations.
func (s *store) tag(of place) (name.Tag, error) {
	if of == attestationTag {
		return ociremote.AttestationTag(s.digest, s.options...)
	}
	return ociremote.SignatureTag(s.digest, s.options...)
}

func (s *store) legacy(ctx context.Context, tag name.Tag, wanted sought) ([]entry, error) {
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
		annotations, err := r.Annotations()
		if err == nil && wanted.other(annotations, layerType) {
			continue
		}
		one, err := readLegacy(r, wanted.from == attestationTag, &left)
		switch {
		case notFound(err):
			if digest, unknown := r.Digest(); unknown == nil {
				s.missing(digest)
			}
		case err != nil:
			return nil, err
		default:
			all = append(all, one)
		}
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

func (s *store) bundles(ctx context.Context, wanted sought) ([]entry, error) {
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
		if wanted.other(m.Annotations, bundleType) {
			continue
		}
		if len(all) == maxSignatures {
			return nil, errTooMany
		}
		if m.Size > maxAnswer {
			all = append(all, entry{format: record.SignatureBundle, problem: fmt.Errorf("its manifest has %d bytes", m.Size)})
			continue
		}
		e, fits, err := s.referrer(ctx, m.Digest, wanted, &left)
		switch {
		case notFound(err):
			s.missing(m.Digest)
		case err != nil:
			return nil, err
		case fits:
			all = append(all, e)
		}
	}
	return all, nil
}

// referrer reads a manifest that refers to the image. What kind it is of is told by
// its layer: not all registries list the type of an artifact as it was written.
func (s *store) referrer(ctx context.Context, digest v1.Hash, wanted sought, left *int64) (e entry, isWanted bool, err error) {
	image, err := remote.Image(s.digest.Digest(digest.String()), s.registry(ctx)...)
	if err != nil {
		return e, false, err
	}
	manifest, err := image.Manifest()
	if err != nil || len(manifest.Layers) != 1 || !strings.HasPrefix(string(manifest.Layers[0].MediaType), bundleLayer) {
		return e, false, err
	}
	if wanted.other(manifest.Annotations, bundleType) {
		return e, false, nil
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

// add stores objects beside those that are there. Each tag is written once with all
// that belongs to it: where tags are immutable there is no second time.
func (s *store) add(ctx context.Context, all []signed) error {
	var beside []oci.Signature
	for _, one := range all {
		if one.legacy != nil {
			beside = append(beside, one.legacy)
		}
	}
	if len(beside) > 0 {
		if err := s.extend(ctx, all[0].draft, beside); err != nil {
			return err
		}
	}
	if err := s.forgetGone(ctx); err != nil {
		return s.notStored(err, string(referrers), false)
	}
	for _, one := range all {
		if one.legacy != nil {
			continue
		}
		if err := ociremote.WriteAttestationNewBundleFormat(s.digest, one.bundle, one.predicateType, s.options...); err != nil {
			return s.notStored(err, one.what(), false)
		}
	}
	return nil
}

// forgetGone takes what is gone off the list of referrers, where that is a tag:
// registries take no list that names what they do not have.
func (s *store) forgetGone(ctx context.Context) error {
	if len(s.gone) == 0 {
		return nil
	}
	tag := s.digest.Context().Tag(strings.Replace(s.digest.DigestStr(), ":", "-", 1))
	list, err := remote.Index(tag, s.registry(ctx)...)
	if notFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	rest := ggcr.RemoveManifests(list, func(d v1.Descriptor) bool { return slices.Contains(s.gone, d.Digest.String()) })
	if err := remote.Put(tag, rest, s.registry(ctx)...); err != nil {
		return err
	}
	s.gone = nil
	return nil
}

// extend writes the tag of the legacy format anew, with more in it.
func (s *store) extend(ctx context.Context, like draft, more []oci.Signature) error {
	from := attestationTag
	if like.signature() {
		from = signatureTag
	}
	tag, err := s.tag(from)
	if err != nil {
		return s.notStored(err, string(from), true)
	}
	list, err := ociremote.Signatures(tag, s.options...)
	if err == nil {
		list, err = mutate.AppendSignatures(list, false, more...)
	}
	if err == nil {
		err = remote.Write(tag, list, s.registry(ctx)...)
	}
	if err != nil {
		return s.notStored(err, fmt.Sprintf("%s (%s)", from, record.SignatureLegacy), true)
	}
	return nil
}

// notStored says why something is not stored, and what helps.
func (s *store) notStored(err error, what string, legacy bool) error {
	if !immutable(err) {
		return registryError(err, "storing the %s of %q", what, s.digest)
	}
	way := "except the tags sha256-* from the rule that makes the repository's tags immutable"
	if legacy {
		way += ", or store bundles only (`--sign-format bundle`)"
	}
	return record.BadInput("sign/tag-immutable", "storing the %s of %q: the registry does not let its tag be written again: %w; %s", what, s.digest, bounded{err}, way)
}

// immutable reports whether a registry keeps a tag as it is: ECR says TAG_INVALID, Harbor
// PRECONDITION, others say it in words.
func immutable(err error) bool {
	if registry.HasCode(err, "TAG_INVALID", "PRECONDITION") {
		return true
	}
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode >= http.StatusBadRequest && answer.StatusCode < http.StatusInternalServerError &&
		strings.Contains(strings.ToLower(answer.Error()), "immutable")
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
