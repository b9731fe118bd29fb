package record

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSee(t *testing.T) {
	begin := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	before := []PodState{{New: true, Ready: "0/1"}, {Ready: "1/1"}}
	after := []PodState{{New: true, Ready: "1/1"}, {New: true, Ready: "1/2"}}
	sights := See(nil, at(0), before)
	sights = See(sights, at(1), before)
	held := sights
	sights = See(sights, at(2), after)
	require.Equal(t, []Sight{{at(0), 1, 0, 1}, {at(2), 2, 1, 0}}, sights)
	require.Equal(t, []Sight{{at(0), 1, 0, 1}}, held)

	for i := range 2 * MaxSights {
		sights = See(sights, at(3+i), [][]PodState{before, after}[i%2])
	}
	require.Len(t, sights, MaxSights)
	require.Equal(t, at(0), sights[0].At)
	require.Equal(t, at(2+2*MaxSights), sights[MaxSights-1].At)
}
