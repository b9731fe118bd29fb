package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

// comparison is a table of the document.
type comparison struct {
	Title string  `json:"title"`
	Notes string  `json:"notes"`
	Load  float64 `json:"load"` // average of the minute before it began
	Sides []side  `json:"sides"`

	rehearse bool // run each side once before, so that everything is warm
	// exact says that the first side must not send more than what its image has of
	// its own.
	exact bool
	// base is the image that a cold build has before it, the lab's when empty.
	base string
	// finish, where it is there, comes after the runs: it checks what they left, and may
	// add to the notes.
	finish func(ctx context.Context, c *comparison) error
}

// side is one of the things that are compared.
type side struct {
	Name    string    `json:"name"`
	What    string    `json:"what"`    // the command, for people
	Against int       `json:"against"` // the side that it is compared with
	Runs    []measure `json:"runs"`

	run     func(ctx context.Context) (outcome, error)
	follows bool   // each image goes where the one before it is
	last    string // the image of the run before, when it follows
}

// outcome is what a run did.
type outcome struct {
	took  time.Duration
	cpu   time.Duration // of all processors, 0 when it is not known of the same time
	image string        // by digest, when it pushed one
}

// measure is one run of one side.
type measure struct {
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpuSeconds,omitempty"` // of the programs and what they started
	Sent    int64   `json:"sentBytes"`            // to the registry
	// New counts the layers, the configuration and the manifest of the image that the
	// image before (or the base image) has not: less cannot be sent.
	New int64 `json:"newBytes,omitempty"`
}

// measure lets the sides take turns, beginning with another one each time.
func (l *lab) measure(ctx context.Context, c *comparison, pairs int) error {
	c.Load = load1()
	if c.rehearse {
		for i := range c.Sides {
			c.Sides[i].follows = true
			if _, err := l.once(ctx, &c.Sides[i], c.base); err != nil {
				return fmt.Errorf("rehearsal: %w", err)
			}
		}
	}
	for i := range pairs {
		for j := range c.Sides {
			s := &c.Sides[(i+j)%len(c.Sides)]
			m, err := l.once(ctx, s, c.base)
			if err != nil {
				return err
			}
			s.Runs = append(s.Runs, m)
			fmt.Fprintf(os.Stderr, "== %s %d: %s: %.2f s, CPU %.2f s, %.3f MB\n", c.Title, i+1, s.Name, m.Seconds, m.CPU, float64(m.Sent)/1e6)
		}
	}
	if err := c.check(); err != nil || c.finish == nil {
		return err
	}
	return c.finish(ctx, c)
}

// check holds the first side to what it must not exceed.
func (c comparison) check() error {
	for i, m := range c.Sides[0].Runs {
		if c.exact && m.Sent > m.New {
			return fmt.Errorf("%s sent %d bytes in run %d, although only %d were new", c.Sides[0].Name, m.Sent, i+1, m.New)
		}
	}
	return nil
}

// once runs one side, whose first image is compared with the base.
func (l *lab) once(ctx context.Context, s *side, base string) (measure, error) {
	if err := l.settle(ctx); err != nil {
		return measure{}, err
	}
	before := l.sent.Load()
	out, err := s.run(ctx)
	if err != nil {
		return measure{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	m := measure{Seconds: out.took.Seconds(), CPU: out.cpu.Seconds(), Sent: l.sent.Load() - before}
	if out.image == "" {
		return m, nil
	}
	if m.New, err = newBytes(ctx, out.image, cmp.Or(s.last, base, l.base)); s.follows {
		s.last = out.image
	}
	return m, err
}

// settle lets the disk, and pods that end, get done with the run before: its work
// would count for the next one.
func (l *lab) settle(ctx context.Context) error {
	if err := exec.CommandContext(ctx, "sync").Run(); err != nil {
		return fmt.Errorf("writing to disk what the run before left: %w", err)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(l.pause):
		return nil
	}
}

// clock measures how long something takes, and what its programs take of the processors.
func (l *lab) clock(out *outcome, do func() error) error {
	start, before := time.Now(), l.cpu.Load()
	err := do()
	out.took, out.cpu = time.Since(start), time.Duration(l.cpu.Load()-before)
	return err
}

func (s side) seconds() []float64 {
	return each(s.Runs, func(m measure) float64 { return m.Seconds })
}

// ratios are those of the pairs: how many times as long as the other side.
func (s side) ratios(other side) []float64 {
	ratios := s.seconds()
	for i := range ratios {
		ratios[i] /= other.Runs[i].Seconds
	}
	return ratios
}

func each(runs []measure, value func(measure) float64) []float64 {
	var all []float64
	for _, m := range runs {
		all = append(all, value(m))
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
