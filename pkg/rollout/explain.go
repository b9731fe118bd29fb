package rollout

import (
	"context"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

const (
	// explainTimeout bounds the reading of logs for an explanation.
	explainTimeout = 5 * time.Second
	explainLines   = 40
)

// explain adds to a cause what its container said last.
func (w *watch) explain(ctx context.Context, t *detect.Trouble) {
	if !causes.Of(t.Cause.Code).Log || t.Run.Name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	line := wording.SignificantLine(w.logs.tailOf(ctx, t.Run))
	if line == "" {
		line = wording.SignificantLine(w.ends(ctx, t.Run)...)
	}
	said := wording.Shorten(line)
	// The termination message may have said it already.
	if said != "" && !strings.Contains(t.Cause.Message, said) {
		t.Cause.Message += "; " + record.Said + said
		t.Cause.MetLock = t.Cause.MetLock || backstage.MetLock(line)
	}
}

// ends are the logs that can hold the last words of a run: its own, and that of the one
// before.
func (w *watch) ends(ctx context.Context, c podstate.Run) []string {
	own, _, _ := runLog(ctx, w.client, c, c.Restarts, explainLines)
	if c.Restarts == 0 {
		return []string{own}
	}
	before := c
	before.Restarts--
	earlier, _, _ := runLog(ctx, w.client, before, c.Restarts, explainLines)
	return []string{own, earlier}
}
