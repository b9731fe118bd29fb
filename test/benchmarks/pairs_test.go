package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// taking is a side whose runs take the given seconds, and note that they were.
func taking(name string, order *[]string, seconds ...float64) side {
	return side{Name: name, run: func(context.Context) (outcome, error) {
		*order = append(*order, name)
		took := time.Duration(seconds[0] * float64(time.Second))
		seconds = seconds[1:]
		return outcome{took: took}, nil
	}}
}

func TestTheSidesTakeTurnsAfterARehearsalThatDoesNotCount(t *testing.T) {
	var order []string
	c := comparison{rehearse: true, Sides: []side{taking("A", &order, 90, 1, 2, 3), taking("B", &order, 90, 4, 4, 9)}}

	require.NoError(t, (&lab{}).measure(t.Context(), &c, 3))

	require.Equal(t, []string{"A", "B", "A", "B", "B", "A", "A", "B"}, order)
	require.Equal(t, []float64{1, 2, 3}, c.Sides[0].seconds())
	require.Equal(t, []float64{4, 2, 3}, c.Sides[1].ratios(c.Sides[0]), "each pair by itself")
}

func TestARunThatFailsEndsTheComparison(t *testing.T) {
	failing := side{Name: "B", run: func(context.Context) (outcome, error) { return outcome{}, errors.New("no space left") }}
	var order []string

	err := (&lab{}).measure(t.Context(), &comparison{Sides: []side{taking("A", &order, 1), failing}}, 1)

	require.EqualError(t, err, "B: no space left")
}

func TestWhoMustBeExactFailsWithAByteTooMany(t *testing.T) {
	for name, c := range map[string]struct {
		runs []measure
		ok   bool
	}{
		"as many bytes as are new":         {[]measure{{1, 0, 10, 10}, {1, 0, 9, 10}}, true},
		"one more in one of the runs":      {[]measure{{1, 0, 10, 10}, {1, 0, 11, 10}}, false},
		"an image that is not new but was": {[]measure{{1, 0, 1, 0}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := comparison{exact: true, Sides: []side{{Name: "A", Runs: c.runs}}}.check()
			require.Equal(t, c.ok, err == nil, err)
		})
	}
}

func TestTheMedianIsTheMiddleOrTheMeanOfBoth(t *testing.T) {
	require.InDelta(t, 2.0, median([]float64{9, 1, 2}), 1e-9)
	require.InDelta(t, 2.5, median([]float64{9, 1, 2, 3}), 1e-9)
}
