package live

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/release/internal/livetest"
)

// https://github.com/helm/helm/issues/6879: a hook of the release before that a finalizer
// holds, and Helm says "context deadline exceeded" after its whole timeout.
func TestAwaitGone(t *testing.T) {
	for name, c := range map[string]struct {
		finalizers []string
		going      bool
		limit      time.Duration
		goes       time.Duration // when it is gone, 0 for never
		after      time.Duration
		want       string // "" for gone
	}{
		"it goes":                         {nil, true, time.Minute, 3 * time.Second, 3 * time.Second, ""},
		"finalizers hold it":              {[]string{"example.com/hold"}, true, time.Hour, 0, 30 * time.Second, "its finalizers hold it: example.com/hold."},
		"whose owner is slow":             {[]string{"example.com/hold"}, true, time.Hour, 20 * time.Second, 20 * time.Second, ""},
		"Kubernetes' own may take longer": {[]string{metav1.FinalizerDeleteDependents}, true, time.Minute, 0, time.Minute, "and not gone yet"},
		"somebody makes it again":         {nil, false, 10 * time.Second, 0, 10 * time.Second, "somebody else makes it"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, object := &livetest.Server{}, object("ConfigMap", "backstage", "migrate")
				if c.going {
					now := metav1.Now()
					object.SetDeletionTimestamp(&now)
				}
				object.SetFinalizers(c.finalizers)
				server.Put(object)
				if c.goes > 0 {
					time.AfterFunc(c.goes-time.Millisecond, func() { server.Remove(object) })
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.limit)
				defer cancel()
				start := time.Now()
				left, err := AwaitGone(ctx, server.Infos(object.DeepCopy()))
				require.NoError(t, err)
				require.InDelta(t, c.after.Seconds(), time.Since(start).Seconds(), 1)
				if c.want == "" {
					require.Nil(t, left)
					return
				}
				require.Equal(t, "ConfigMap/migrate", left.Object)
				require.Contains(t, left.Why, c.want)
			})
		})
	}
}
