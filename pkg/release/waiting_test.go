package release

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Helm may be told of a failed Job before the judge is, and says BackoffLimitExceeded
// only, without the words of a pod that is gone by then (helm/helm#10809,
// kubernetes/kubernetes#74848).
func TestClient_BoundedWait_TheJudgesWordsCountWhoeverIsFirst(t *testing.T) {
	said := &record.Cause{Code: "rollout/crash-loop", Object: "Pod/migrate-x", Container: "migrate", Message: "no such table"}
	exceeded := errors.New("job failed: BackoffLimitExceeded")
	for name, c := range map[string]struct {
		helm, judge time.Duration // when they tell, 0 for never
		err         error         // of Helm
		stop        bool
		want        string
		words       bool
	}{
		"the judge first":              {judge: time.Second, want: "no such table", words: true},
		"Helm first, the judge soon":   {helm: time.Second, judge: time.Second + lastLook/2, err: exceeded, want: "no such table", words: true},
		"Helm first, the judge never":  {helm: time.Second, err: exceeded, want: "BackoffLimitExceeded"},
		"it succeeds":                  {helm: time.Second, judge: time.Second + lastLook/2},
		"a signal ends it at once":     {helm: time.Hour, stop: true, want: "context canceled"},
		"no time is left, and a judge": {judge: time.Minute + lastLook/2, want: "no such table", words: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				hopeless := make(chan *record.Cause, 1)
				if c.judge > 0 {
					time.AfterFunc(c.judge, func() { hopeless <- said })
				}
				if c.stop {
					time.AfterFunc(time.Second, cancel)
				}
				one := &client{change: &change{ctx: ctx}}
				ended := make(chan struct{})
				defer close(ended)
				err := one.boundedWait(time.Hour, hopeless, func(time.Duration) error {
					if c.helm == 0 {
						<-ended
						return nil
					}
					select {
					case <-time.After(c.helm):
					case <-ended:
					}
					return c.err
				})
				if c.want == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.want)
				}
				require.Equal(t, c.words, one.whyStopped() != nil)
			})
		})
	}
}
