package sign

import (
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"

	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// unanswered gives an error that says nothing about what is stored, and nil for one
// that does: a size or a digest that is not the one of the manifest.
func unanswered(err error) error {
	if registry.Final(err) || registry.FromNetwork(err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// notStored says why something is not stored, and what helps.
func (s *store) notStored(err error, what step) error {
	if refusesReferring(err) && !what.legacy {
		return record.BadInput("sign/no-list", "storing the %s of %q: the registry does not take a manifest that refers to an image: %w; store in the legacy format only (`--sign-format legacy`)", what.what, s.digest, shown(err))
	}
	if !registry.IsImmutable(err) {
		return registryError(err, "storing the %s of %q", what.what, s.digest)
	}
	return record.BadInput("sign/tag-immutable", "storing the %s of %q: the registry does not let its tag be written again: %w; except the tags sha256-* from the rule that makes the repository's tags immutable%s", what.what, s.digest, shown(err), s.otherFormat(what))
}

// refusesReferring reports whether a registry knows no manifests such as that of a bundle.
func refusesReferring(err error) bool {
	var answer *transport.Error
	if !errors.As(err, &answer) || answer.Request == nil || answer.Request.Method != http.MethodPut || !strings.Contains(answer.Request.URL.Path, "/manifests/sha256:") {
		return false
	}
	switch answer.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return !registry.IsImmutable(err)
	}
	return false
}

// otherFormat is the way round a tag that cannot be written again.
func (s *store) otherFormat(what step) string {
	if !what.legacy {
		return ", or store in the legacy format only (`--sign-format legacy`), which has a tag for signatures and one for attestations, each written once"
	}
	if _, known := s.transport.referrersAPI(); !known {
		_, _ = ociremote.Referrers(s.digest, "", s.options...)
	}
	if lists, known := s.transport.referrersAPI(); known && !lists {
		return ", or store bundles only (`--sign-format bundle`), which this registry keeps in a list under one tag, written once"
	}
	return ", or store bundles only (`--sign-format bundle`)"
}

// registryError says that the registry could not tell, and what may help.
func registryError(err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	var sorted *record.Error
	if errors.As(err, &sorted) {
		return err
	}
	code := "sign/registry-unavailable"
	if registry.IsDenied(err) {
		code = "sign/registry-denied"
	}
	return record.Unavailable(code, "%s: %w%s", doing, registry.Shown(err), registry.Advice(err))
}

// shown makes an error fit to be shown whose words are foreign.
func shown(err error) error { return text.Error(err, maxText) }

func oneLine(s string) string { return text.Line(s, maxText) }
