package sign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	rekor "github.com/sigstore/rekor/pkg/client"
	"github.com/sigstore/rekor/pkg/generated/client/entries"
	"github.com/sigstore/rekor/pkg/tle"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// entryID is that of an entry of a log: its hash, with its tree before it or not.
var entryID = regexp.MustCompile(`\b(?:[0-9a-f]{16})?[0-9a-f]{64}\b`)

// addKnown adds the entry that a log has already to the bundle. Rekor says so (409) of an
// entry whose first answer was lost, or came later than anybody waited, when it is sent
// again (sigstore/sigstore-go#647, actions/attest-build-provenance#110,
// afreidah/s3-orchestrator#1032, ChainSafe/lodestar#9703). Other errors stay what they are.
func addKnown(ctx context.Context, address string, made *protobundle.Bundle, err error) error {
	var said *entries.CreateLogEntryConflict
	if !errors.As(err, &said) {
		return err
	}
	id := entryID.FindString(said.Location.String())
	if id == "" && said.Payload != nil {
		id = entryID.FindString(said.Payload.Message)
	}
	if id == "" {
		return err
	}
	log, err := rekor.GetRekorClient(address, rekor.WithUserAgent(registry.UserAgent), rekor.WithRetryCount(0))
	if err != nil {
		return err
	}
	answer, err := log.Entries.GetLogEntryByUUID(entries.NewGetLogEntryByUUIDParamsWithTimeout(requestTimeout).WithContext(ctx).WithEntryUUID(id))
	if err != nil {
		return fmt.Errorf("it has the entry already; reading it: %w", err)
	}
	all := slices.Collect(maps.Values(answer.Payload))
	if len(all) != 1 {
		return fmt.Errorf("it says that it has the entry %s, and gives %d", id, len(all))
	}
	var one *protorekor.TransparencyLogEntry
	// The library takes for granted that all is there which the log's interface names.
	if err := record.Guard(func() (err error) { one, err = tle.GenerateTransparencyLogEntry(all[0]); return err }); err != nil {
		return fmt.Errorf("it has the entry already; reading it: %w", err)
	}
	made.VerificationMaterial.TlogEntries = append(made.VerificationMaterial.TlogEntries, one)
	return nil
}
