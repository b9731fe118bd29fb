// Package lease keeps runs apart: one at a time changes a release. The lock is an
// object in the cluster, which also carries what its holder noted about its work,
// for the next run if this one dies.
//
// client-go's leader election is not used: it waits for a live holder instead of
// naming it, ends with the API server, and keeps nothing else on the object.
package lease

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// Options say which release is locked.
type Options struct {
	Client kubernetes.Interface
	// Namespace and Release identify it.
	Namespace, Release string
	Log                *slog.Logger // nil for none
}

// Lease is the Lease "stagecrew-RELEASE" of one run.
type Lease struct {
	Options
	mu   sync.Mutex
	held *coordinationv1.Lease // as this run wrote it last, nil while it is not held
}

// How quickly a holder must show that it lives: it has two attempts to renew before its
// lease runs out.
const (
	silence   = 15 * time.Second // how long a holder may be silent before it counts as dead
	renewTime = 5 * time.Second  // how often the holder shows itself
	lookTime  = time.Second      // how often a waiting run looks for it
)

// New sends no request.
func New(o Options) *Lease {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Lease{Options: o}
}

// Lock takes the Lease "stagecrew-NAME" for holder and renews it until unlock.
// A live holder is refused by name; a holder that gives no sign of life for the
// lease's duration is replaced. Clocks of different machines are not compared.
//
// held is ctx while the lock is held: it is cancelled, with a cause of the code
// release/lock-lost, when another run has taken the lock over.
func (l *Lease) Lock(ctx context.Context, holder string) (held context.Context, unlock func(context.Context) error, err error) {
	if err := l.ensureNamespace(ctx); err != nil {
		return nil, nil, err
	}
	lease, err := l.acquire(ctx, holder)
	if err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	l.held = lease
	l.mu.Unlock()
	held, lose := context.WithCancelCause(ctx)
	renewing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := record.Guard(func() error { return l.renew(renewing) }); err != nil {
			lose(err)
		}
	})
	return held, func(ctx context.Context) error {
		cancel()
		wg.Wait()
		lose(nil)
		return l.unlock(ctx)
	}, nil
}

// ensureNamespace makes the namespace of a first install: the lease lives there.
func (l *Lease) ensureNamespace(ctx context.Context) error {
	namespaces := l.Client.CoreV1().Namespaces()
	_, err := namespaces.Get(ctx, l.Namespace, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		// Whoever may not read namespaces can still deploy into an existing one.
		if apierrors.IsForbidden(err) {
			return nil
		}
		return apierror.Classify(fmt.Sprintf("reading namespace %q", l.Namespace), err)
	}
	_, err = namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: l.Namespace}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return apierror.Classify(fmt.Sprintf("creating namespace %q", l.Namespace), err)
}

// acquire creates the lease, or takes it over when it is free or its holder dead.
func (l *Lease) acquire(ctx context.Context, holder string) (*coordinationv1.Lease, error) {
	leases := l.Client.CoordinationV1().Leases(l.Namespace)
	var seen *coordinationv1.Lease
	var seenSince time.Time
	for {
		lease, err := leases.Get(ctx, l.object(), metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			lease, err = leases.Create(ctx, l.lease(nil, holder), metav1.CreateOptions{})
		case err != nil:
		case free(lease) || seen != nil && time.Since(seenSince) >= silence:
			if !free(lease) {
				l.Log.Warn("taking the lock over from a run that gives no sign of life", "holder", *lease.Spec.HolderIdentity)
			}
			lease, err = leases.Update(ctx, l.lease(lease, holder), metav1.UpdateOptions{})
		case seen == nil:
			l.Log.Info("the lock is taken; looking whether its holder lives", "holder", *lease.Spec.HolderIdentity)
			seen, seenSince = lease, time.Now()
			fallthrough
		default:
			if !lease.Spec.RenewTime.Equal(seen.Spec.RenewTime) {
				return nil, l.locked(lease)
			}
			if err := retry.Sleep(ctx, lookTime); err != nil {
				return nil, l.locked(lease)
			}
			continue
		}
		// Another client was quicker: look again.
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			continue
		}
		return lease, apierror.Classify("taking the lock "+l.object(), err)
	}
}

func (l *Lease) locked(lease *coordinationv1.Lease) error {
	since := "an unknown time"
	if lease.Spec.AcquireTime != nil {
		since = lease.Spec.AcquireTime.UTC().Format(time.RFC3339)
	}
	return record.Refused("release/locked", "release %q in namespace %q is being changed by %s since %s; wait for it to end",
		l.Release, l.Namespace, holderOf(lease), since)
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

func (l *Lease) object() string { return "stagecrew-" + l.Release }

// lease is the object as the new holder writes it.
func (l *Lease) lease(current *coordinationv1.Lease, holder string) *coordinationv1.Lease {
	next := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: l.object(), Namespace: l.Namespace}}
	if current != nil {
		next = current.DeepCopy()
	}
	now, seconds := metav1.NowMicro(), int32(silence/time.Second)
	next.Spec.HolderIdentity, next.Spec.LeaseDurationSeconds = &holder, &seconds
	next.Spec.AcquireTime, next.Spec.RenewTime = &now, &now
	return next
}

// unlock frees the lease if it is still ours.
func (l *Lease) unlock(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return nil
	}
	nobody := ""
	_, err := l.write(ctx, l.held, func(next *coordinationv1.Lease) { next.Spec.HolderIdentity = &nobody })
	if l.held == nil {
		return nil // another run has it
	}
	l.held = nil
	return err
}
