package lease

import (
	"testing"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// FuzzLease reads what anybody who may write Leases can put there.
func FuzzLease(f *testing.F) {
	f.Add(`{"holder":"run 1","phase":"watch","since":"2026-01-02T03:04:05Z","revision":4}`, "run 1", true)
	f.Add(`{"revision":1e400}`, "\n::error::", false)
	f.Add(`[`, "", true)
	f.Fuzz(func(t *testing.T, journal, holder string, acquired bool) {
		l := New(Options{Release: "web", Namespace: "portal"})
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{annotationJournal: journal}}}
		lease.Spec.HolderIdentity = &holder
		if acquired {
			now := metav1.NowMicro()
			lease.Spec.AcquireTime = &now
		}
		require.LessOrEqual(t, len(l.journal(lease).Phase), maxJournal)
		require.Equal(t, record.KindRefused, record.KindOf(l.locked(lease)))
		require.True(t, sameHolding(lease, lease.DeepCopy()))
		next := l.lease(lease, "us")
		require.Equal(t, "us", *next.Spec.HolderIdentity)
	})
}
