package rollout

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// linger is how long a trouble may be out of sight and still be the same one: a
// pull that is tried again shows nothing for a moment.
const linger = 10 * time.Second

// trouble is one condition that may turn out to be a failure.
type trouble struct {
	cause    record.Cause
	specific bool            // the message is the runtime's own, not a generic one
	shared   bool            // another pod of the same revision has been ready
	ends     int             // how often the container has ended; 0 where that does not count
	of       record.Workload // whose it is; a Service's is nobody's
	hopeful  bool            // its clock stands still: it is about to heal
	about    container
}

// sameStory are codes between which one failure may change its looks.
var sameStory = map[string]string{
	codeNotFound: "pull", codeDenied: "pull", codePull: "pull", codeInspect: "pull",
	codeCrash: "end", codeOOM: "end", codeStart: "end", codeStartupProbe: "end", codeLivenessProbe: "end", codeArchitecture: "end",
}

// title tells which troubles are the same thing seen again.
func (t trouble) title() string {
	return strings.Join([]string{t.cause.Object, t.cause.Container, cmp.Or(sameStory[t.cause.Code], t.cause.Code)}, "|")
}

// story is what was seen of one trouble, under one or several codes.
type story struct {
	sightings map[string]*sighting // by code
	gone      time.Time            // since when it is out of sight; zero while it is not
}

// sighting is a trouble with its history.
type sighting struct {
	trouble
	due   time.Time // since when it is what its rule forbids; zero while it is not
	last  time.Time // the last look that had it
	order int       // its place in that look
	// excused says that what it misses has come: whoever misses it has yet to try again.
	excused bool
}

// memory is what was seen in earlier looks.
type memory struct {
	stories map[string]*story
	first   []trouble // the first specific one of each workload that is not ready, for a timeout
}

// keep remembers a trouble where it is the first of its workload.
func (m *memory) keep(t trouble) {
	if t.specific && !slices.ContainsFunc(m.first, func(known trouble) bool { return known.of == t.of }) {
		m.first = append(m.first, t)
	}
}

// heal forgets the troubles of a workload that is ready.
func (m *memory) heal(w record.Workload) {
	m.first = slices.DeleteFunc(m.first, func(t trouble) bool { return t.of == w })
}

// note takes the troubles of a look and forgets those that are over. forbids
// reports whether the clock of a trouble runs.
func (m *memory) note(troubles []trouble, now time.Time, forbids func(trouble) bool) {
	present := map[string]bool{}
	for order, t := range troubles {
		title := t.title()
		s := m.stories[title]
		if s == nil || !s.gone.IsZero() && now.Sub(s.gone) > linger {
			s = &story{sightings: map[string]*sighting{}}
			m.stories[title] = s
		}
		s.gone, present[title] = time.Time{}, true
		s.see(t, order, now, forbids)
		m.keep(t)
	}
	for title, s := range m.stories {
		switch {
		case present[title]:
		case s.gone.IsZero():
			s.gone = now
		case now.Sub(s.gone) > linger:
			delete(m.stories, title)
		}
	}
}

func (s *story) see(t trouble, order int, now time.Time, forbids func(trouble) bool) {
	if known := s.specific(); known != nil && !t.specific {
		// A later message is often generic: the specific one goes on.
		shared := t.shared
		t = known.trouble
		t.shared = shared
	}
	known := s.sightings[t.cause.Code]
	if known == nil {
		known = &sighting{trouble: t}
		s.sightings[t.cause.Code] = known
	}
	if known.excused && known.cause.Message != t.cause.Message {
		// It is another thing that is missing now.
		known.trouble, known.due, known.excused = t, time.Time{}, false
	}
	// The first words are kept, but what is counted or merely waited for goes on.
	forbidden := forbids(t)
	if !known.specific || t.ends > 0 || !forbidden {
		known.trouble = t
	}
	known.shared, known.last, known.order = t.shared, now, order
	switch {
	case !forbidden:
		known.due, known.excused = time.Time{}, false
	case known.due.IsZero():
		known.due = now
	}
}

// specific is the latest sighting with words of its own.
func (s *story) specific() *sighting {
	var found *sighting
	for _, one := range s.sightings {
		if one.specific && (found == nil || one.last.After(found.last)) {
			found = one
		}
	}
	return found
}

// inSight are the troubles of the look at now: those whose clock runs before those
// that are only waited for, the runtime's own words before generic ones.
func (m *memory) inSight(now time.Time) []*sighting {
	var all []*sighting
	for _, s := range m.stories {
		for _, one := range s.sightings {
			if s.gone.IsZero() && one.last.Equal(now) {
				all = append(all, one)
			}
		}
	}
	weight := func(s *sighting) int {
		n := 0
		if s.due.IsZero() {
			n += 2
		}
		if !s.specific {
			n++
		}
		return n
	}
	slices.SortFunc(all, func(a, b *sighting) int {
		return cmp.Or(cmp.Compare(weight(a), weight(b)), cmp.Compare(a.order, b.order))
	})
	return all
}

// because adds to a general trouble the specific one behind it.
func because(general, specific trouble) trouble {
	general.cause.Object, general.cause.Container, general.cause.Reason = specific.cause.Object, specific.cause.Container, specific.cause.Reason
	general.cause.Message += ": " + specific.cause.Message
	general.about = specific.about
	return general
}
