package sign

import (
	"fmt"
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
	maxText    = 500 // bytes of a foreign message
	maxShown   = 3   // digests in a message
)

var errTooMany = fmt.Errorf("there are more than %d", maxSignatures)

// fits takes the size of an entry from what is left for all.
func fits(size int64, left *int64) error {
	if size > maxEntry || size > *left {
		return fmt.Errorf("it has %d bytes, and is not read: the limit is %d for one, and %d for all that are beside an image", size, maxEntry, maxEntries)
	}
	*left -= size
	return nil
}
