package github

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// CodeNoAttestations is of a repository without GitHub's store of attestations.
const CodeNoAttestations = "github/no-attestations"

// maxBundle bounds what is sent, in bytes: GitHub takes a predicate of 16 MiB, in Base64,
// and answered larger SBOMs with "Server Error" (actions/attest#80, actions/attest#78).
const maxBundle = 22 << 20

// Attest stores a Sigstore bundle about something that a workflow of the repository has
// signed, keyless, in GitHub's store of attestations.
func (c *Client) Attest(ctx context.Context, bundle json.RawMessage) error {
	if len(bundle) > maxBundle {
		return record.Refused(CodeRefused, "storing an attestation: it has %d bytes, and GitHub takes %d", len(bundle), maxBundle)
	}
	return c.make(ctx, "storing an attestation", "attestations: write", func() error {
		path := fmt.Sprintf("repos/%s/%s/attestations", c.owner, c.name)
		request, err := c.api.NewRequest(ctx, http.MethodPost, path, map[string]any{"bundle": bundle})
		if err != nil {
			return err
		}
		_, err = c.api.Do(request, nil)
		return err
	})
}

// saysNoAttestations reports whether GitHub's words are those for a private repository
// whose plan has no attestations.
func saysNoAttestations(message string) bool {
	return strings.HasPrefix(message, "Feature not available")
}
