package lease

import (
	"context"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// renew keeps the lease alive until ctx ends, or another holder has taken it: that
// is the error.
func (l *Lease) renew(ctx context.Context) error {
	for retry.Sleep(ctx, renewTime) == nil {
		err := l.renewOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // unlocked meanwhile
		case record.KindOf(err) == record.KindUnavailable && l.isLost():
			l.Log.Error(err.Error())
			return err
		case err != nil:
			l.Log.Warn("renewing the lock", "error", err)
		}
	}
	return nil
}

// renewOnce writes the present time into the lease.
func (l *Lease) renewOnce(ctx context.Context) error {
	// A request that hangs must not use up the time in which another can succeed.
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return l.lost("nobody known")
	}
	renewed, err := l.write(ctx, l.held, func(*coordinationv1.Lease) {})
	if err == nil {
		l.held = renewed
	}
	return err
}

// write changes the lease that this run holds, and renews it. After a conflict
// the lease as it stands decides: the answer to an earlier write may have been
// lost, or another run has taken over. The caller has locked l.held.
func (l *Lease) write(ctx context.Context, lease *coordinationv1.Lease, change func(*coordinationv1.Lease)) (*coordinationv1.Lease, error) {
	leases := l.Client.CoordinationV1().Leases(l.Namespace)
	ours := lease
	for {
		next, now := lease.DeepCopy(), metav1.NowMicro()
		next.Spec.RenewTime = &now
		change(next)
		renewed, err := leases.Update(ctx, next, metav1.UpdateOptions{})
		if !apierrors.IsConflict(err) {
			return renewed, apierror.Classify("renewing the lock "+l.object(), err)
		}
		if lease, err = leases.Get(ctx, l.object(), metav1.GetOptions{}); err != nil {
			return nil, apierror.Classify("reading the lock "+l.object(), err)
		}
		if !sameHolding(lease, ours) {
			l.held = nil
			return nil, l.lost(holderOf(lease))
		}
	}
}

// sameHolding reports whether a lease is held by the one who took it then: two
// jobs of one run have the same name, but not the same moment.
func sameHolding(lease, ours *coordinationv1.Lease) bool {
	return holderOf(lease) == holderOf(ours) && lease.Spec.AcquireTime.Equal(ours.Spec.AcquireTime)
}

func (l *Lease) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held == nil
}

func (l *Lease) lost(to string) error {
	return record.Unavailable("release/lock-lost",
		"the lock of release %q in namespace %q is held by %s: this run gave no sign of life for too long", l.Release, l.Namespace, to)
}
