package rollout

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// wanted is one log to read.
type wanted struct {
	podstate.Run
	present int32 // how often its container had been started again
	ended   string
}

// wantedLogs are those of new pods that are not ready, the one of the cause first.
// Of a container that runs again both runs are wanted; in a back-off the present
// log is that of the run that ended.
func wantedLogs(look judge.Verdict, cause record.Cause) []wanted {
	var all []wanted
	for _, status := range look.Statuses {
		for _, m := range status.Members {
			named := cause.Object == "Pod/"+m.Pod.Name
			if !m.Fresh || podstate.Ready(m.Pod) && !named {
				continue
			}
			for _, c := range podstate.Statuses(m.Pod) {
				all = append(all, logsOf(m.Pod, c, named)...)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b wanted) int {
		return cmp.Compare(distance(a, cause), distance(b, cause))
	})
	return all[:min(len(all), maxLogs)]
}

func logsOf(p *corev1.Pod, c corev1.ContainerStatus, named bool) []wanted {
	key, end, present := podstate.RunOf(p, c), c.LastTerminationState.Terminated, c.RestartCount
	before := key
	before.Restarts--
	switch {
	case c.State.Terminated != nil && c.State.Terminated.ExitCode == 0 && podstate.IsInit(p, c.Name):
		return nil
	case c.State.Terminated != nil:
		return []wanted{{key, present, podstate.ExitStatus(*c.State.Terminated)}}
	case c.State.Running != nil && c.Ready && !named:
		return nil
	case c.State.Running != nil && end != nil:
		return []wanted{{key, present, ""}, {before, present, podstate.ExitStatus(*end)}}
	case c.State.Running != nil:
		return []wanted{{key, present, ""}}
	case end != nil:
		return []wanted{{key, present, podstate.ExitStatus(*end)}}
	}
	return nil
}

func distance(w wanted, cause record.Cause) int {
	n := 0
	if cause.Object != "Pod/"+w.Pod {
		n += 2
	}
	if cause.Container != w.Name {
		n++
	}
	return n
}

// logs reads them at the same time.
func (r reader) logs(all []wanted) []record.Log {
	found := make([]record.Log, len(all))
	var reading sync.WaitGroup
	for i, w := range all {
		reading.Go(func() {
			defer func() { _ = recover() }() // one log less
			text, previous, err := runLog(r.ctx, r.client, w.Run, w.present, logLines)
			if r.could(err, "log of "+w.Pod) {
				found[i] = record.Log{Pod: w.Pod, Container: w.Name, Previous: previous, Ended: w.ended, Text: lastBytes(strings.TrimRight(text, "\n"), logBytes)}
			}
		})
	}
	reading.Wait()
	return slices.DeleteFunc(found, func(l record.Log) bool { return l.Pod == "" })
}

// lastBytes keeps the end of a text, from the beginning of a line where there is one.
func lastBytes(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	text = text[len(text)-limit:]
	if _, rest, found := strings.Cut(text, "\n"); found {
		text = rest
	}
	return strings.ToValidUTF8(text, "?")
}
