package sign

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// maxClockSkew is how far the clock of a scanner may be ahead of ours.
const maxClockSkew = 5 * time.Minute

// Policy is what has to be attested about an image. The zero value wants nothing.
type Policy struct {
	// Attestations are the predicate types (URIs) of which one attestation must be
	// there, about this digest and by the trusted signer.
	Attestations []string
	// MaxScanAge is how long ago the newest attested vulnerability scan may have
	// ended. Zero means any time; otherwise PredicateVuln is required.
	MaxScanAge time.Duration
	// Repository is the URL of the repository that a provenance must name as the
	// source. Empty means any; otherwise PredicateProvenance is required.
	Repository string
}

func (p Policy) validate() error {
	var problems []error
	for _, predicateType := range p.Attestations {
		if err := (Attestation{predicateType, []byte("{}")}).validate(); err != nil {
			problems = append(problems, err)
		}
	}
	if p.MaxScanAge < 0 {
		problems = append(problems, fmt.Errorf("the maximum age %s of a scan is negative", p.MaxScanAge))
	}
	return record.Problems(problems...)
}

// check refuses, with the name of the rule, an image that lacks what is wanted.
func (p Policy) check(ctx context.Context, t *trust, store *store, image record.Image) error {
	wanted := slices.Clone(p.Attestations)
	if p.MaxScanAge > 0 {
		wanted = append(wanted, PredicateVuln)
	}
	if p.Repository != "" {
		wanted = append(wanted, PredicateProvenance)
	}
	slices.Sort(wanted)
	for _, predicateType := range slices.Compact(wanted) {
		if err := t.attested(ctx, store, image, predicateType, func(good []statement) error { return p.holds(image, predicateType, good) }); err != nil {
			return err
		}
	}
	return nil
}

// holds checks the rules about what good attestations of a type say.
func (p Policy) holds(image record.Image, predicateType string, good []statement) error {
	switch {
	case predicateType == PredicateVuln && p.MaxScanAge > 0:
		return p.recent(image, good)
	case predicateType == PredicateProvenance && p.Repository != "":
		return p.source(image, good)
	}
	return nil
}

// attested looks for good attestations of the type that hold, place by place: one that
// cannot be read does not matter when the other one has what is needed.
func (t *trust) attested(ctx context.Context, store *store, image record.Image, predicateType string, holds func([]statement) error) error {
	var found claims
	var unread error
	for _, from := range []place{attestationTag, referrers} {
		entries, err := store.read(ctx, sought{from, predicateType})
		if err != nil && unread == nil {
			unread = err
		}
		t.sort(entries, image, predicateType, &found)
		if len(found.good) > 0 && holds(found.good) == nil {
			return nil
		}
	}
	switch {
	case unread != nil:
		return unread
	case len(found.good) > 0:
		return holds(found.good)
	default:
		return t.refuseClaims(image, predicateType, found, store.whatElse(ctx, predicateType))
	}
}

// claims are attestations of one type: about the image and by who is trusted, by who
// is trusted about something else, and the rest.
type claims struct {
	good, other []statement
	bad         []failed
}

func (t *trust) sort(entries []entry, image record.Image, predicateType string, into *claims) {
	for _, e := range entries {
		claimed, err := e.statement()
		if err != nil || !sameType(claimed.PredicateType, predicateType) {
			continue
		}
		said, err := t.check(e, t.who)
		switch {
		case err != nil:
			into.bad = append(into.bad, failed{e, claimed, err})
		case said.about(image.Digest):
			into.good = append(into.good, said)
		default:
			into.other = append(into.other, said)
		}
	}
}

// refuseClaims says why none of the attestations will do.
func (t *trust) refuseClaims(image record.Image, predicateType string, found claims, gone string) error {
	name := shortName(predicateType)
	switch {
	case len(found.other) > 0:
		return record.Refused("sign/attestation-other-digest",
			"verifying %q: its %s attestation by %s is about %s, not about this image; somebody copied it here: do not deploy, attest the image that was built", image, name, t.name, found.other[0].subjects())
	case len(found.bad) > 0:
		last := found.bad[len(found.bad)-1] // a bundle, if there is one: it names the key
		return record.Refused("sign/attestation-untrusted",
			"verifying %q: its %s attestation is signed by %s, but %s is trusted: %w%s", image, name, last.signer(), t.name, shown(last.err), gone)
	default:
		return record.Refused("sign/attestation-missing",
			"verifying %q: it has no %s attestation, but the policy wants one; sign it with `stagecrew sign --attest %s…`%s", image, name, name, gone)
	}
}

func (p Policy) recent(image record.Image, scans []statement) error {
	var newest time.Time
	for _, scan := range scans {
		at, err := scannedAt(scan.Predicate)
		if err != nil {
			return record.Refused("sign/scan-unreadable", "verifying %q: its vuln attestation: %w", image, err)
		}
		if at.After(newest) && time.Until(at) < maxClockSkew {
			newest = at
		}
	}
	if newest.IsZero() {
		return record.Refused("sign/scan-stale", "verifying %q: its scan is dated in the future; check the clocks, and scan and attest it again", image)
	}
	if age := time.Since(newest); age > p.MaxScanAge {
		return record.Refused("sign/scan-stale", "verifying %q: its newest scan ended at %s, %s ago, and may be at most %s old; scan and attest it again",
			image, newest.UTC().Format(time.RFC3339), age.Round(time.Second), p.MaxScanAge)
	}
	return nil
}

func (p Policy) source(image record.Image, provenances []statement) error {
	var found []string
	for _, one := range provenances {
		from := builtFrom(one.Predicate)
		other := slices.ContainsFunc(from, func(one string) bool { return !sameRepository(one, p.Repository) })
		// A certificate names the repository of its workflow: the claim has to fit.
		if len(from) > 0 && !other && (one.repository == "" || sameRepository(one.repository, p.Repository)) {
			return nil
		}
		found = append(found, fmt.Sprintf("%q", oneLine(strings.Join(from, ", "))))
	}
	return record.Refused("sign/provenance-repository", "verifying %q: its provenance names the repository %s, but %q is wanted", image, strings.Join(found, ", "), p.Repository)
}
