package lease

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/apiserver"
)

const leasePath = "/apis/coordination.k8s.io/v1/namespaces/portal/leases/stagecrew-backstage"

// open gives the lease of a release in an API server of its own.
func open(t *testing.T) (*Lease, *apiserver.API) {
	t.Helper()
	cluster := apiserver.New(t)
	return reopen(cluster), cluster
}

// reopen is what the next run would see of the same cluster.
func reopen(cluster *apiserver.API) *Lease {
	return New(Options{Client: cluster.Clientset(), Namespace: "portal", Release: "backstage"})
}

func TestOneRunAtATimeHoldsTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, cluster := open(t)
		held, unlock, err := l.Lock(t.Context(), "run 1")
		require.NoError(t, err)
		other := reopen(cluster)
		_, _, err = other.Lock(t.Context(), "run 2")
		require.Equal(t, record.KindRefused, record.KindOf(err))
		require.ErrorContains(t, err, "is being changed by run 1 since")
		require.NoError(t, held.Err())
		require.NoError(t, unlock(t.Context()))
		require.ErrorIs(t, held.Err(), context.Canceled)
		_, unlock, err = other.Lock(t.Context(), "run 2")
		require.NoError(t, err)
		require.NoError(t, unlock(t.Context()))
	})
}

func TestADeadHolderIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, cluster := open(t)
		lease, err := l.acquire(t.Context(), "run 1") // never renewed
		require.NoError(t, err)
		require.Equal(t, "run 1", *lease.Spec.HolderIdentity)
		_, unlock, err := reopen(cluster).Lock(t.Context(), "run 2")
		require.NoError(t, err)
		require.NoError(t, unlock(t.Context()))
	})
}

func TestTheNamespaceOfAFirstInstallIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, cluster := open(t)
		l.Namespace = "new"
		_, unlock, err := l.Lock(t.Context(), "run 1")
		require.NoError(t, err)
		require.NotNil(t, cluster.Object("/api/v1/namespaces/new"))
		require.NoError(t, unlock(t.Context()))
	})
}

// takeOver makes another run the holder.
func takeOver(cluster *apiserver.API, holder string) {
	apiserver.Amend(cluster, leasePath, func(o *coordinationv1.Lease) {
		now := metav1.NewMicroTime(time.Now().Add(time.Second))
		o.Spec.HolderIdentity, o.Spec.AcquireTime = &holder, &now
	})
}

func TestWhoLosesTheLockIsToldAndDoesNotTakeItBack(t *testing.T) {
	for name, holder := range map[string]string{"to another run": "run 2", "to another job of the same run": "run 1"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, cluster := open(t)
				held, unlock, err := l.Lock(t.Context(), "run 1")
				require.NoError(t, err)
				takeOver(cluster, holder)
				<-held.Done()
				var lost *record.Error
				require.ErrorAs(t, context.Cause(held), &lost)
				require.Equal(t, "release/lock-lost", lost.Code)
				require.ErrorContains(t, lost, "is held by "+holder)
				require.ErrorAs(t, l.Note(t.Context(), record.Journal{Phase: "watch"}), &lost)
				require.NoError(t, unlock(t.Context()))
				lease := cluster.Object(leasePath).(*coordinationv1.Lease)
				require.Equal(t, holder, *lease.Spec.HolderIdentity)
			})
		})
	}
}

func TestALockThatSomebodyFreedByHandIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, cluster := open(t)
		held, unlock, err := l.Lock(t.Context(), "run 1")
		require.NoError(t, err)
		apiserver.Amend(cluster, leasePath, func(o *coordinationv1.Lease) { o.Spec.HolderIdentity = nil })
		<-held.Done()
		require.ErrorContains(t, context.Cause(held), "is held by nobody known")
		require.NoError(t, unlock(t.Context()))
	})
}

func TestARenewalWhoseAnswerWasLostDoesNotCostTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, cluster := open(t)
		held, unlock, err := l.Lock(t.Context(), "run 1")
		require.NoError(t, err)
		// As after a lost answer: the lease has a newer version than this run knows.
		apiserver.Amend(cluster, leasePath, func(*coordinationv1.Lease) {})
		before := cluster.Object(leasePath).(*coordinationv1.Lease).Spec.RenewTime
		time.Sleep(renewTime + time.Second)
		require.True(t, cluster.Object(leasePath).(*coordinationv1.Lease).Spec.RenewTime.After(before.Time))
		require.NoError(t, held.Err())
		require.NoError(t, unlock(t.Context()))
	})
}

func TestAnAPIServerInTroubleDoesNotCostTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, cluster := open(t)
		held, unlock, err := l.Lock(t.Context(), "run 1")
		require.NoError(t, err)
		var failures atomic.Int32
		cluster.Mu.Lock()
		cluster.Refuse = func(_ string, object runtime.Object) *metav1.Status {
			if _, isLease := object.(*coordinationv1.Lease); isLease && failures.Add(1) < 3 {
				return &metav1.Status{Code: http.StatusInternalServerError, Message: "etcd has no leader"}
			}
			return nil
		}
		cluster.Mu.Unlock()
		time.Sleep(silence + 2*renewTime)
		require.Greater(t, failures.Load(), int32(3), "it goes on renewing")
		require.NoError(t, held.Err())
		require.NoError(t, unlock(t.Context()))
	})
}

func TestTheJournalOutlivesItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, cluster := open(t)
		none, err := l.Journal(t.Context())
		require.NoError(t, err)
		require.Zero(t, none)
		require.Error(t, l.Note(t.Context(), record.Journal{Phase: "apply"}), "only while the lock is held")

		_, unlock, err := l.Lock(t.Context(), "run 1")
		require.NoError(t, err)
		want := record.Journal{Holder: "run 1", Phase: "watch", Revision: 4, RollbackTarget: 3, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
		require.NoError(t, l.Note(t.Context(), want))
		require.NoError(t, unlock(t.Context()))

		next := reopen(cluster)
		_, unlock, err = next.Lock(t.Context(), "run 2")
		require.NoError(t, err)
		got, err := next.Journal(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.NoError(t, next.Note(t.Context(), record.Journal{}))
		got, err = next.Journal(t.Context())
		require.NoError(t, err)
		require.Zero(t, got)
		require.NoError(t, unlock(t.Context()))
	})
}

func TestAJournalThatCannotBeReadCountsAsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, cluster := open(t)
		_, unlock, err := l.Lock(t.Context(), "run 1")
		require.NoError(t, err)
		require.NoError(t, unlock(t.Context()))
		for _, text := range []string{"{", `{"holder":"` + strings.Repeat("x", maxJournal) + `"}`, `{"revision":"one"}`} {
			apiserver.Amend(cluster, leasePath, func(o *coordinationv1.Lease) { o.Annotations = map[string]string{annotationJournal: text} })
			journal, err := l.Journal(t.Context())
			require.NoError(t, err)
			require.Zero(t, journal)
		}
	})
}

func TestALockThatIsAskedForTooLateIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := l.Lock(ctx, "run 1")
		require.ErrorIs(t, err, context.Canceled)
	})
}
