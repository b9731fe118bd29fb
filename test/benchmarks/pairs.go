package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// measure is one run of one side.
type measure struct {
	Seconds float64 `json:"seconds"`
	Sent    int64   `json:"sentBytes"` // to the registry
}

// side is one of the things that are compared.
type side struct {
	Name string    `json:"name"`
	What string    `json:"what"` // the command, for people
	Runs []measure `json:"runs"`

	run func(ctx context.Context, n int) error
}

// comparison is a table of the document: the first side is stagecrew.
type comparison struct {
	Title string `json:"title"`
	Notes string `json:"notes"`
	Sides []side `json:"sides"`
}

// measureAll lets the sides take turns, beginning with another one each time.
func (l *lab) measureAll(ctx context.Context, c *comparison, n int) error {
	for i := range n {
		for j := range c.Sides {
			s := &c.Sides[(i+j)%len(c.Sides)]
			before, start := l.sent.Load(), time.Now()
			if err := s.run(ctx, i); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			m := measure{time.Since(start).Seconds(), l.sent.Load() - before}
			if l.took > 0 {
				m.Seconds, l.took = l.took.Seconds(), 0
			}
			s.Runs = append(s.Runs, m)
			fmt.Fprintf(os.Stderr, "== %s %d: %s: %.2f s, %.2f MB\n", c.Title, i+1, s.Name, m.Seconds, float64(m.Sent)/1e6)
		}
	}
	return nil
}

func (s side) seconds() []float64 {
	var all []float64
	for _, r := range s.Runs {
		all = append(all, r.Seconds)
	}
	return all
}

func (s side) megabytes() []float64 {
	var all []float64
	for _, r := range s.Runs {
		all = append(all, float64(r.Sent)/1e6)
	}
	return all
}

// ratios are those of the pairs: how many times as long as the first side.
func (s side) ratios(first side) []float64 {
	var all []float64
	for i, r := range s.Runs {
		all = append(all, r.Seconds/first.Runs[i].Seconds)
	}
	return all
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}
