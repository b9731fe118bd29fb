package release

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// timing says how quickly a lock's holder must show that it lives, and a change end.
type timing struct {
	lease time.Duration // how long a holder may be silent before it counts as dead
	renew time.Duration // how often the holder shows itself
	look  time.Duration // how often a waiting run looks for it
	// windDown is how long a change that was ended may take to note that.
	windDown time.Duration
}

// defaultTiming leaves a holder two attempts to renew before its lease runs out.
var defaultTiming = timing{lease: 15 * time.Second, renew: 5 * time.Second, look: time.Second, windDown: 2 * time.Second}

// Lock takes the Lease "stagecrew-NAME" for holder and renews it until unlock.
// A live holder is refused by name; a holder that gives no sign of life for the
// lease's duration is replaced. Clocks of different machines are not compared.
//
// held is ctx while the lock is held: it is cancelled, with a cause of the code
// release/lock-lost, when another run has taken the lock over.
func (r *Release) Lock(ctx context.Context, holder string) (held context.Context, unlock func(context.Context) error, err error) {
	if err := r.ensureNamespace(ctx); err != nil {
		return nil, nil, err
	}
	lease, err := r.acquire(ctx, holder)
	if err != nil {
		return nil, nil, err
	}
	r.held.set(lease)
	held, lose := context.WithCancelCause(ctx)
	renewing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := record.Guard(func() error { return r.renew(renewing) }); err != nil {
			lose(err)
		}
	})
	return held, func(ctx context.Context) error {
		cancel()
		wg.Wait()
		lose(nil)
		return r.unlock(ctx)
	}, nil
}

// ensureNamespace makes the namespace of a first install: the lease lives there.
func (r *Release) ensureNamespace(ctx context.Context) error {
	namespaces := r.client.CoreV1().Namespaces()
	_, err := namespaces.Get(ctx, r.Namespace, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		// Whoever may not read namespaces can still deploy into an existing one.
		if apierrors.IsForbidden(err) {
			return nil
		}
		return classify(fmt.Sprintf("reading namespace %q", r.Namespace), err)
	}
	_, err = namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return classify(fmt.Sprintf("creating namespace %q", r.Namespace), err)
}

// acquire creates the lease, or takes it over when it is free or its holder dead.
func (r *Release) acquire(ctx context.Context, holder string) (*coordinationv1.Lease, error) {
	leases := r.client.CoordinationV1().Leases(r.Namespace)
	var seen *coordinationv1.Lease
	var seenSince time.Time
	for {
		lease, err := leases.Get(ctx, r.leaseName(), metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			lease, err = leases.Create(ctx, r.lease(nil, holder), metav1.CreateOptions{})
		case err != nil:
		case free(lease) || seen != nil && time.Since(seenSince) >= r.timing.lease:
			if !free(lease) {
				r.Log.Warn("taking the lock over from a run that gives no sign of life", "holder", *lease.Spec.HolderIdentity)
			}
			lease, err = leases.Update(ctx, r.lease(lease, holder), metav1.UpdateOptions{})
		case seen == nil:
			r.Log.Info("the lock is taken; looking whether its holder lives", "holder", *lease.Spec.HolderIdentity)
			seen, seenSince = lease, time.Now()
			fallthrough
		default:
			if !lease.Spec.RenewTime.Equal(seen.Spec.RenewTime) {
				return nil, r.locked(lease)
			}
			if err := sleep(ctx, r.timing.look); err != nil {
				return nil, r.locked(lease)
			}
			continue
		}
		// Somebody else was quicker: look again.
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			continue
		}
		return lease, classify("taking the lock "+r.leaseName(), err)
	}
}

func (r *Release) locked(lease *coordinationv1.Lease) error {
	since := "an unknown time"
	if lease.Spec.AcquireTime != nil {
		since = lease.Spec.AcquireTime.UTC().Format(time.RFC3339)
	}
	return record.Refused("release/locked", "release %q in namespace %q is being changed by %s since %s; wait for it to end",
		r.Name, r.Namespace, holderOf(lease), since)
}

func free(lease *coordinationv1.Lease) bool {
	return lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == ""
}

func holderOf(lease *coordinationv1.Lease) string {
	if free(lease) {
		return "nobody known"
	}
	return *lease.Spec.HolderIdentity
}

func (r *Release) leaseName() string { return "stagecrew-" + r.Name }

// lease is the object as the new holder writes it.
func (r *Release) lease(current *coordinationv1.Lease, holder string) *coordinationv1.Lease {
	next := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: r.leaseName(), Namespace: r.Namespace}}
	if current != nil {
		next = current.DeepCopy()
	}
	now, seconds := metav1.NowMicro(), int32(max(r.timing.lease/time.Second, 1))
	next.Spec.HolderIdentity, next.Spec.LeaseDurationSeconds = &holder, &seconds
	next.Spec.AcquireTime, next.Spec.RenewTime = &now, &now
	return next
}

// unlock frees the lease if it is still ours.
func (r *Release) unlock(ctx context.Context) error {
	r.held.mu.Lock()
	defer r.held.mu.Unlock()
	if r.held.lease == nil {
		return nil
	}
	nobody := ""
	_, err := r.write(ctx, r.held.lease, func(next *coordinationv1.Lease) { next.Spec.HolderIdentity = &nobody })
	if r.held.lease == nil {
		return nil // another run has it
	}
	r.held.lease = nil
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
