package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// timeline is a run as a picture has it: bars on one axis of time.
type timeline struct {
	begin, end time.Time
	phases     []bar
	pods       []stay
}

// bar is a phase of the run, and when it began and ended after the run's begin.
type bar struct {
	name       string
	from, till time.Duration
	result     record.PhaseResult
}

// stay is for how long the pods of a rollout looked alike.
type stay struct {
	record.Sight
	from, till time.Duration
}

// draw lays the phases and the pods of a run on one axis; without any phase there is
// none. Times are as they were measured: one that is not in order is left out.
func draw(r record.Record) timeline {
	var t timeline
	phases := slices.DeleteFunc(slices.Clone(r.Phases), func(p record.Phase) bool { return p.Start.IsZero() || p.End.Before(p.Start) })
	for _, p := range phases {
		if t.begin.IsZero() || p.Start.Before(t.begin) {
			t.begin = p.Start
		}
		if p.End.After(t.end) {
			t.end = p.End
		}
	}
	for _, p := range phases {
		t.phases = append(t.phases, bar{p.Name, p.Start.Sub(t.begin), p.End.Sub(t.begin), p.Result})
	}
	slices.SortStableFunc(t.phases, func(a, b bar) int { return cmp.Compare(a.from, b.from) })
	for i, s := range r.Sights {
		till := t.end
		if i+1 < len(r.Sights) {
			till = r.Sights[i+1].At
		}
		if s.At.Before(t.begin) || !till.After(s.At) || till.After(t.end) {
			continue
		}
		t.pods = append(t.pods, stay{s, s.At.Sub(t.begin), till.Sub(t.begin)})
	}
	return t
}

// length is never 0, so that a picture has a scale.
func (t timeline) length() time.Duration { return max(t.end.Sub(t.begin), time.Millisecond) }

// label says how the pods look: "1 of 2 new ready, 2 old".
func (s stay) label() string {
	text := fmt.Sprintf("%d of %d new ready", s.Ready, s.New)
	if s.New == 0 {
		text = "no new ones"
	}
	if s.Old > 0 {
		text += fmt.Sprintf(", %d old", s.Old)
	}
	return text
}

// duration as people read them: "0.3 s", "12 s", "3m20s".
func duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
