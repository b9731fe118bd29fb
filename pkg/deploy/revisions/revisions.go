// Package revisions says which of a history is live and which one can be gone back to.
// It reads what it is given, and nothing else.
package revisions

import (
	"fmt"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// RollbackTo says where a manual rollback goes. The zero value means the newest
// verified-good revision before the live one.
type RollbackTo struct {
	Revision int    // Helm revision, 0 for any
	Digest   string // image digest "sha256:…", "" for any
	// ForceBadUnsafe allows a revision that is known bad.
	ForceBadUnsafe bool
}

// Proven gives the verified-good revisions of a history that can be gone back to by
// itself, newest first as it is: of those that Helm applied as a whole, and of none
// that is older than an uninstall.
func Proven(history []record.Revision) []record.Revision {
	var all []record.Revision
	for _, r := range history {
		if r.IsUninstalled() {
			break
		}
		if r.IsTarget() {
			all = append(all, r)
		}
	}
	return all
}

// OriginOf is the revision that was applied first of those that r is a copy of.
func OriginOf(r record.Revision) int {
	if r.Origin != 0 {
		return r.Origin
	}
	return r.Number
}

// Live gives the revision that Helm calls deployed.
func Live(history []record.Revision) (record.Revision, bool) {
	for _, r := range history {
		if r.Status == record.StatusDeployed {
			return r, true
		}
	}
	return record.Revision{}, false
}

// Find gives the revision of a number.
func Find(history []record.Revision, number int) (record.Revision, bool) {
	for _, r := range history {
		if r.Number == number {
			return r, true
		}
	}
	return record.Revision{}, false
}

// Newest gives the newest revision, whatever became of it.
func Newest(history []record.Revision) (record.Revision, bool) {
	if len(history) == 0 {
		return record.Revision{}, false
	}
	return history[0], true
}

// Candidates are the targets of a manual rollback, the best first, or a refusal.
func Candidates(history []record.Revision, to RollbackTo) ([]record.Revision, error) {
	if len(history) == 0 {
		return nil, record.Refused("rollback/no-release", "the release has no revisions; deploy one first")
	}
	switch {
	case to.Revision != 0:
		return byNumber(history, to)
	case to.Digest != "":
		return byDigest(history, to)
	}
	return olderGood(history)
}

func byNumber(history []record.Revision, to RollbackTo) ([]record.Revision, error) {
	for _, r := range history {
		if r.Number == to.Revision {
			return []record.Revision{r}, to.allows(r)
		}
	}
	return nil, record.Refused("rollback/no-such-revision",
		"revision %d is not in the history; there are %s", to.Revision, list(history))
}

func byDigest(history []record.Revision, to RollbackTo) ([]record.Revision, error) {
	var refusal error
	var all []record.Revision
	for _, r := range history {
		if !strings.HasSuffix(r.Image, "@"+to.Digest) {
			continue
		}
		if err := to.allows(r); err != nil {
			refusal = err
			continue
		}
		all = append(all, r)
	}
	if len(all) > 0 {
		return all, nil
	}
	if refusal == nil {
		refusal = record.Refused("rollback/no-such-revision", "no revision has the image digest %s; there are %s", to.Digest, list(history))
	}
	return nil, refusal
}

// TimeFormat is how messages show a time.
const TimeFormat = "2006-01-02T15:04:05Z"

// allows refuses a revision that is known bad, unless that is wanted.
func (t RollbackTo) allows(r record.Revision) error {
	if r.Verdict == record.MarkBad && !t.ForceBadUnsafe {
		return record.Refused("rollback/known-bad", "revision %d failed its checks at %s; choose a good one, or give --force-bad-unsafe",
			r.Number, r.MarkedAt.UTC().Format(TimeFormat))
	}
	return nil
}

// olderGood gives the verified-good revisions that are older than what is live. A live
// copy counts as old as its origin: going back twice goes further back, never
// forward again to what was just left. A newer revision that Helm did not bring to
// its end is live in part: what Helm calls deployed is before it.
func olderGood(history []record.Revision) ([]record.Revision, error) {
	origin := history[0].Number
	if history[0].Status == record.StatusDeployed {
		origin = OriginOf(history[0])
	}
	var all []record.Revision
	for _, r := range Proven(history) {
		if r.Number < origin {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return nil, record.Refused("rollback/no-target",
			"no verified-good revision before revision %d; there are %s", origin, list(history))
	}
	return all, nil
}

// list names the revisions for a message: "3 (good), 2 (bad), 1 (no verdict)".
func list(history []record.Revision) string {
	const most = 10
	var parts []string
	for i, r := range history {
		if i == most {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, fmt.Sprintf("%d (%s)", r.Number, Verdict(r)))
	}
	return strings.Join(parts, ", ")
}

// Verdict is a revision's, for a message.
func Verdict(r record.Revision) string {
	if r.Verdict == record.MarkNone {
		return "no verdict"
	}
	return string(r.Verdict)
}
