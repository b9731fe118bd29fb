package release

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// annotationJournal on the Lease is what the run that holds it wrote about itself.
	annotationJournal = "stagecrew.dev/journal"
	// maxJournal bounds what is read of it: anybody who may write Leases may write it.
	maxJournal = 4096
)

// holding is the lease while this process holds it.
type holding struct {
	mu    sync.Mutex
	lease *coordinationv1.Lease // nil while not held
}

func (h *holding) set(lease *coordinationv1.Lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lease = lease
}

// Note writes down, in the cluster, what this run is doing; the zero value
// removes it. Only the run that holds the lock may: others get an error with the
// code release/lock-lost.
func (r *Release) Note(ctx context.Context, journal record.Journal) error {
	text, err := json.Marshal(journal)
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	r.held.mu.Lock()
	defer r.held.mu.Unlock()
	if r.held.lease == nil {
		return r.lost("nobody known")
	}
	renewed, err := r.write(ctx, r.held.lease, func(next *coordinationv1.Lease) {
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
	r.held.lease = renewed
	return nil
}

// Journal reads what the last run wrote down about itself; the zero value when
// nothing, or nothing readable, stands there.
func (r *Release) Journal(ctx context.Context) (record.Journal, error) {
	lease, err := r.client.CoordinationV1().Leases(r.Namespace).Get(ctx, r.leaseName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return record.Journal{}, nil
	}
	if err != nil {
		return record.Journal{}, classify("reading the journal", err)
	}
	return r.journal(lease), nil
}

// journal reads the journal on a lease. A broken one must not stop a repair.
func (r *Release) journal(lease *coordinationv1.Lease) record.Journal {
	journal, text := record.Journal{}, lease.Annotations[annotationJournal]
	if text == "" {
		return journal
	}
	if len(text) > maxJournal || json.Unmarshal([]byte(text), &journal) != nil {
		r.Log.Warn("the journal of the last run cannot be read and counts as none", "lease", r.leaseName())
		return record.Journal{}
	}
	return journal
}
