package deploy

import (
	"fmt"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// newestGood gives the newest verified-good revision of a history, newest first.
func newestGood(history []pipeline.Revision) (pipeline.Revision, bool) {
	for _, r := range history {
		if r.Verdict == pipeline.MarkGood {
			return r, true
		}
	}
	return pipeline.Revision{}, false
}

// deployed gives the revision that Helm calls deployed.
func deployed(history []pipeline.Revision) (pipeline.Revision, bool) {
	for _, r := range history {
		if r.Status == "deployed" {
			return r, true
		}
	}
	return pipeline.Revision{}, false
}

// newest gives the newest revision, whatever became of it.
func newest(history []pipeline.Revision) (pipeline.Revision, bool) {
	if len(history) == 0 {
		return pipeline.Revision{}, false
	}
	return history[0], true
}

// choose picks the target of a manual rollback, or refuses.
func choose(history []pipeline.Revision, to Target) (pipeline.Revision, error) {
	if len(history) == 0 {
		return pipeline.Revision{}, pipeline.Refused("rollback/no-release", "the release has no revisions; deploy one first")
	}
	switch {
	case to.Revision != 0:
		return byNumber(history, to)
	case to.Digest != "":
		return byDigest(history, to)
	}
	return before(history)
}

func byNumber(history []pipeline.Revision, to Target) (pipeline.Revision, error) {
	for _, r := range history {
		if r.Number == to.Revision {
			return r, to.allows(r)
		}
	}
	return pipeline.Revision{}, pipeline.Refused("rollback/no-such-revision",
		"revision %d is not in the history; there are %s", to.Revision, list(history))
}

func byDigest(history []pipeline.Revision, to Target) (pipeline.Revision, error) {
	var refusal error
	for _, r := range history {
		if !strings.HasSuffix(r.Image, "@"+to.Digest) {
			continue
		}
		if err := to.allows(r); err != nil {
			refusal = err
			continue
		}
		return r, nil
	}
	if refusal == nil {
		refusal = pipeline.Refused("rollback/no-such-revision", "no revision has the image digest %s; there are %s", to.Digest, list(history))
	}
	return pipeline.Revision{}, refusal
}

// timeFormat is how messages show a time.
const timeFormat = "2006-01-02T15:04:05Z"

// allows refuses a revision that is known bad, unless that is wanted.
func (t Target) allows(r pipeline.Revision) error {
	if r.Verdict == pipeline.MarkBad && !t.ForceBadUnsafe {
		return pipeline.Refused("rollback/known-bad", "revision %d failed its checks at %s; choose a good one, or give --force-bad-unsafe",
			r.Number, r.MarkedAt.UTC().Format(timeFormat))
	}
	return nil
}

// before gives the newest verified-good revision that is older than what is live.
// A live copy counts as old as its origin: going back twice goes further back,
// never forward again to what was just left.
func before(history []pipeline.Revision) (pipeline.Revision, error) {
	origin := history[0].Number
	if live, found := deployed(history); found {
		origin = live.Number
		if live.Origin != 0 {
			origin = live.Origin
		}
	}
	for _, r := range history {
		if r.Verdict == pipeline.MarkGood && r.Number < origin {
			return r, nil
		}
	}
	return pipeline.Revision{}, pipeline.Refused("rollback/no-target",
		"no verified-good revision before revision %d; there are %s", origin, list(history))
}

// list names the revisions for a message: "3 (good), 2 (bad), 1 (no verdict)".
func list(history []pipeline.Revision) string {
	const most = 10
	var parts []string
	for i, r := range history {
		if i == most {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, fmt.Sprintf("%d (%s)", r.Number, verdictWord(r)))
	}
	return strings.Join(parts, ", ")
}

func verdictWord(r pipeline.Revision) string {
	if r.Verdict == pipeline.MarkNone {
		return "no verdict"
	}
	return string(r.Verdict)
}
