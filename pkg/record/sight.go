package record

import (
	"strings"
	"time"
)

// Sight is how many pods of a rollout there were at one moment.
type Sight struct {
	At    time.Time `json:"at"`
	New   int       `json:"new"`   // of the revision that is rolled out
	Ready int       `json:"ready"` // of those
	Old   int       `json:"old"`   // of earlier revisions, those that go included
}

// MaxSights bounds the sights of a record: of a longer rollout the first ones stay,
// and the last.
const MaxSights = 500

// See appends how a rollout looks to sights, unless it looks as before.
func See(sights []Sight, at time.Time, pods []PodState) []Sight {
	now := Sight{At: at}
	for _, p := range pods {
		if !p.New {
			now.Old++
			continue
		}
		now.New++
		if ready, all, _ := strings.Cut(p.Ready, "/"); ready == all {
			now.Ready++
		}
	}
	if n := len(sights); n > 0 {
		last := sights[n-1]
		last.At = at
		if last == now {
			return sights
		}
		sights = sights[:min(n, MaxSights-1)]
	}
	// Not in place: a caller may have a copy of the record.
	return append(sights[:len(sights):len(sights)], now)
}
