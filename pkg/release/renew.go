package release

import (
	"context"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// renew keeps the lease alive until ctx ends, or somebody else has taken it: that
// is the error.
func (r *Release) renew(ctx context.Context) error {
	for sleep(ctx, r.timing.renew) == nil {
		err := r.renewOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // unlocked meanwhile
		case record.KindOf(err) == record.KindUnavailable && r.isLost():
			r.Log.Error(err.Error())
			return err
		case err != nil:
			r.Log.Warn("renewing the lock", "error", err)
		}
	}
	return nil
}

// renewOnce writes the present time into the lease.
func (r *Release) renewOnce(ctx context.Context) error {
	// A request that hangs must not use up the time in which another can succeed.
	ctx, cancel := context.WithTimeout(ctx, r.timing.renew)
	defer cancel()
	r.held.mu.Lock()
	defer r.held.mu.Unlock()
	if r.held.lease == nil {
		return r.lost("nobody known")
	}
	renewed, err := r.write(ctx, r.held.lease, func(*coordinationv1.Lease) {})
	if err == nil {
		r.held.lease = renewed
	}
	return err
}

// write changes the lease that this run holds, and renews it. After a conflict
// the lease as it stands decides: the answer to an earlier write may have been
// lost, or another run has taken over. The caller has locked r.held.
func (r *Release) write(ctx context.Context, lease *coordinationv1.Lease, change func(*coordinationv1.Lease)) (*coordinationv1.Lease, error) {
	leases := r.client.CoordinationV1().Leases(r.Namespace)
	ours := lease
	for {
		next, now := lease.DeepCopy(), metav1.NowMicro()
		next.Spec.RenewTime = &now
		change(next)
		renewed, err := leases.Update(ctx, next, metav1.UpdateOptions{})
		if !apierrors.IsConflict(err) {
			return renewed, classify("renewing the lock "+r.leaseName(), err)
		}
		if lease, err = leases.Get(ctx, r.leaseName(), metav1.GetOptions{}); err != nil {
			return nil, classify("reading the lock "+r.leaseName(), err)
		}
		if !sameHolding(lease, ours) {
			r.held.lease = nil
			return nil, r.lost(holderOf(lease))
		}
	}
}

// sameHolding reports whether a lease is held by the one who took it then: two
// jobs of one run have the same name, but not the same moment.
func sameHolding(lease, ours *coordinationv1.Lease) bool {
	return holderOf(lease) == holderOf(ours) && lease.Spec.AcquireTime.Equal(ours.Spec.AcquireTime)
}

func (r *Release) isLost() bool {
	r.held.mu.Lock()
	defer r.held.mu.Unlock()
	return r.held.lease == nil
}

func (r *Release) lost(to string) error {
	return record.Unavailable("release/lock-lost",
		"the lock of release %q in namespace %q is held by %s: this run gave no sign of life for too long", r.Name, r.Namespace, to)
}
