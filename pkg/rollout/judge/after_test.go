package judge

import (
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// after judges the same look again and again, once a second, and says after how
// many seconds the rollout failed; -1 when it did not within limit seconds.
func after(s cluster.Snapshot, limit int) (int, *record.Cause) {
	return afterBy(New(nil), s, limit)
}

func afterBy(j *Judge, s cluster.Snapshot, limit int) (int, *record.Cause) {
	for second := range limit + 1 {
		if v := j.Decide(s, fixture.Noon.Add(time.Duration(second)*time.Second)); v.Failed != nil {
			return second, &v.Failed.Cause
		}
	}
	return -1, nil
}

// timedOut is the cause when the budget runs out while things are like that.
func timedOut(s cluster.Snapshot) record.Cause {
	j := New(nil)
	v := j.Decide(s, fixture.Noon)
	return j.Timeout(v.Progress, 90*time.Second).Cause
}
