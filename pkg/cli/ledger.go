package cli

import (
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/report"
)

// ledger holds the record of a run. It is the only place where the record is kept
// and changed: stages run side by side, and a signal may end the run at any time.
type ledger struct {
	mu       sync.Mutex
	contents record.Record
	// draft is the record as a stage that is still at work would leave it.
	draft *record.Record
	ended bool
	hide  func(record.Record) record.Record // takes the secrets out
}

// Document is the record as it stands, as it may be shown.
func (l *ledger) Document() ([]byte, error) { return report.Encode(l.hide(l.read())) }

// read gives the record as it stands.
func (l *ledger) read() record.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.contents
}

// Update changes the record; after the end of the run it does nothing.
func (l *ledger) Update(change func(*record.Record)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	change(&l.contents)
	l.draft = nil
}

// Sketch notes how the record would look if the run ended now; the next Update
// takes its place.
func (l *ledger) Sketch(change func(*record.Record)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	draft := l.contents
	change(&draft)
	l.draft = &draft
}

// see notes how the pods of a rollout look. What was sketched stays so.
func (l *ledger) see(at time.Time, pods []record.PodState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.contents.Sights = record.See(l.contents.Sights, at, pods)
	if l.draft != nil {
		l.draft.Sights = l.contents.Sights
	}
}

// end closes the record, with what was sketched and a last change, and gives it.
func (l *ledger) end(change func(*record.Record)) record.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draft != nil {
		l.contents, l.draft = *l.draft, nil
	}
	change(&l.contents)
	l.ended = true
	return l.contents
}
