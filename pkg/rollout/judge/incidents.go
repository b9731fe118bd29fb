package judge

import (
	"cmp"
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
)

// keepFor is how long a trouble may be out of sight and still be the same one: a
// pull that is tried again shows nothing for a moment.
const keepFor = 10 * time.Second

// incident is what was seen of one trouble, under one or several codes.
type incident struct {
	observations map[string]*observation // by code
	goneSince    time.Time               // since when it is out of sight; zero while it is not
}

// observation is a trouble with its history.
type observation struct {
	detect.Trouble
	due   time.Time // since when its clock runs; zero while it is not
	last  time.Time // the last look that had it
	order int       // its place in that look
	// excused says that what it misses has come: whoever misses it has yet to try again.
	excused bool
}

// memory is what was seen in earlier looks.
type memory struct {
	incidents map[string]*incident
	first     []detect.Trouble // the first specific one of each workload that is not ready, for a timeout
}

// keep remembers a trouble where it is the first of its workload.
func (m *memory) keep(t detect.Trouble) {
	if t.Specific && !slices.ContainsFunc(m.first, func(known detect.Trouble) bool { return known.Workload == t.Workload }) {
		m.first = append(m.first, t)
	}
}

// heal forgets the troubles of a workload that is ready.
func (m *memory) heal(w record.Workload) {
	m.first = slices.DeleteFunc(m.first, func(t detect.Trouble) bool { return t.Workload == w })
}

// update takes the troubles of a look and forgets those that are over. clockRuns
// reports whether the clock of a trouble runs.
func (m *memory) update(troubles []detect.Trouble, now time.Time, clockRuns func(detect.Trouble) bool) {
	present := map[string]bool{}
	for order, t := range troubles {
		key := t.Key()
		i := m.incidents[key]
		if i == nil || !i.goneSince.IsZero() && now.Sub(i.goneSince) > keepFor {
			i = &incident{observations: map[string]*observation{}}
			m.incidents[key] = i
		}
		i.goneSince, present[key] = time.Time{}, true
		i.see(t, order, now, clockRuns)
		m.keep(t)
	}
	for key, i := range m.incidents {
		switch {
		case present[key]:
		case i.goneSince.IsZero():
			i.goneSince = now
		case now.Sub(i.goneSince) > keepFor:
			delete(m.incidents, key)
		}
	}
}

func (i *incident) see(t detect.Trouble, order int, now time.Time, clockRuns func(detect.Trouble) bool) {
	also := t.Also
	if known := i.specific(); known != nil && !t.Specific {
		// A later message is often generic: the specific one goes on.
		shared := t.Shared
		t = known.Trouble
		t.Shared = shared
	}
	known := i.observations[t.Cause.Code]
	if known == nil {
		known = &observation{Trouble: t}
		i.observations[t.Cause.Code] = known
	}
	if known.excused && !known.Missing.Is(t.Missing) {
		// It is another thing that is missing now.
		known.Trouble, known.due, known.excused = t, time.Time{}, false
	}
	// The first words are kept, but what is counted or merely waited for goes on.
	running := clockRuns(t)
	if !known.Specific || t.Failures > 0 || !running {
		known.Trouble = t
	}
	if known.Also == "" {
		known.Cause.Message, known.Also = known.Cause.Message+also, also
	}
	known.Shared, known.last, known.order = t.Shared, now, order
	switch {
	case !running:
		known.due, known.excused = time.Time{}, false
	case known.due.IsZero():
		known.due = now
	}
}

// specific is the latest observation with words of its own.
func (i *incident) specific() *observation {
	var found *observation
	for _, one := range i.observations {
		if one.Specific && (found == nil || one.last.After(found.last)) {
			found = one
		}
	}
	return found
}

// inSight are the troubles of the look at now: those whose clock runs before those
// that are only waited for, the runtime's own words before generic ones, and what pods
// have that are older than the revision last.
func (m *memory) inSight(now time.Time) []*observation {
	var all []*observation
	for _, s := range m.incidents {
		for _, one := range s.observations {
			if s.goneSince.IsZero() && one.last.Equal(now) {
				all = append(all, one)
			}
		}
	}
	weight := func(s *observation) int {
		n := 0
		if s.due.IsZero() {
			n += 2
			if s.Earlier {
				n += 2
			}
		}
		if !s.Specific {
			n++
		}
		return n
	}
	slices.SortFunc(all, func(a, b *observation) int {
		return cmp.Or(cmp.Compare(weight(a), weight(b)), cmp.Compare(a.order, b.order))
	})
	return all
}
