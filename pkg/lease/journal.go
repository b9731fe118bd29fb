package lease

import (
	"context"
	"encoding/json"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// annotationJournal on the Lease is what the run that holds it wrote about itself.
	annotationJournal = "stagecrew.dev/journal"
	// maxJournal bounds what is read of it: anybody who may write Leases may write it.
	maxJournal = 4096
)

// Note writes down, in the cluster, what this run is doing; the zero value
// removes it. Only the run that holds the lock may: others get an error with the
// code release/lock-lost.
func (l *Lease) Note(ctx context.Context, journal record.Journal) error {
	text, err := json.Marshal(journal)
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return l.lost("nobody known")
	}
	renewed, err := l.write(ctx, l.held, func(next *coordinationv1.Lease) {
		if next.Annotations == nil {
			next.Annotations = map[string]string{}
		}
		next.Annotations[annotationJournal] = string(text)
		if journal == (record.Journal{}) {
			delete(next.Annotations, annotationJournal)
		}
	})
	if err != nil {
		return err
	}
	l.held = renewed
	return nil
}

// Journal reads what the last run wrote down about itself; the zero value when
// nothing, or nothing readable, stands there.
func (l *Lease) Journal(ctx context.Context) (record.Journal, error) {
	lease, err := l.Client.CoordinationV1().Leases(l.Namespace).Get(ctx, l.object(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return record.Journal{}, nil
	}
	if err != nil {
		return record.Journal{}, apierror.Classify("reading the journal", err)
	}
	return l.journal(lease), nil
}

// journal reads the journal on a lease. A broken one must not stop a repair.
func (l *Lease) journal(lease *coordinationv1.Lease) record.Journal {
	journal, text := record.Journal{}, lease.Annotations[annotationJournal]
	if text == "" {
		return journal
	}
	if len(text) > maxJournal || json.Unmarshal([]byte(text), &journal) != nil {
		l.Log.Warn("the journal of the last run cannot be read and counts as none", "lease", l.object())
		return record.Journal{}
	}
	return journal
}
