package rollout

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// A panic anywhere in the watch is an error that tells nothing of the rollout.
func TestWatch_APanicIsAnErrorAndNoVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Client: fakeCluster(t, fixture.Deploying()), Show: func(record.Progress) { panic("in the judge's goroutine") }}
		_, err := Watch(t.Context(), o, applied)
		require.ErrorContains(t, err, "[rollout/panicked]")
		require.Equal(t, record.KindUnavailable, record.KindOf(err))
		_, _, err = Hold(t.Context(), o, applied, SoakAuto)
		require.ErrorContains(t, err, "[rollout/panicked]")
	})
	w := &watch{changed: make(chan struct{}, 1)}
	w.guarded(func() { panic("in a goroutine of its own") })
	<-w.changed
	require.ErrorContains(t, w.panicked(), "[rollout/panicked]")
}
