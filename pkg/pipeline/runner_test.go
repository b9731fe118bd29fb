package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// line is a table whose stages note when they begin and end.
type line struct {
	mu    sync.Mutex
	notes []string
	tasks []task
}

func (l *line) note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, text)
}

// add puts a stage into the table that hands on its own name.
func (l *line) add(s stage, do func(context.Context, inputs) error) {
	s.gives = key(s.name)
	l.tasks = append(l.tasks, task{s, func(ctx context.Context, in inputs) (any, error) {
		l.note(s.name + " begins")
		defer l.note(s.name + " ends")
		if do == nil {
			return s.name, nil
		}
		return s.name, do(ctx, in)
	}})
}

func (l *line) at(text string) int { return slices.Index(l.notes, text) }

func TestRunAll_EachStageBeginsWhenWhatItNeedsIsThere(t *testing.T) {
	var l line
	image := output[string]{"build"}
	read := ""
	l.add(stage{name: "deploy", needs: []key{"sign", "preflight"}}, nil)
	l.add(stage{name: "sign", needs: []key{image.key}}, func(_ context.Context, in inputs) error { read = image.of(in); return nil })
	l.add(stage{name: "preflight"}, nil)
	l.add(stage{name: "build"}, nil)
	require.NoError(t, runAll(t.Context(), l.tasks, nil))
	require.Less(t, l.at("build ends"), l.at("sign begins"))
	require.Less(t, l.at("sign ends"), l.at("deploy begins"))
	require.Less(t, l.at("preflight ends"), l.at("deploy begins"))
	require.Equal(t, "build", read, "what was made is handed on")
}

func TestRunAll_WhatNeedsNothingOfEachOtherRunsSideBySide(t *testing.T) {
	var l line
	first, second := make(chan struct{}), make(chan struct{})
	l.add(stage{name: "build"}, func(context.Context, inputs) error { close(first); <-second; return nil })
	l.add(stage{name: "preflight"}, func(context.Context, inputs) error { close(second); <-first; return nil })
	require.NoError(t, runAll(t.Context(), l.tasks, nil))
}

func TestRunAll_WhatNoStageOfTheSliceMakesIsGivenOrZero(t *testing.T) {
	var l line
	image, tags, findings := output[string]{"image"}, output[int]{"tags"}, output[int]{"findings"}
	l.add(stage{name: "sign", needs: []key{image.key, tags.key}}, func(_ context.Context, in inputs) error {
		require.Equal(t, "r.test/a", image.of(in))
		_, made := tags.made(in)
		require.False(t, made)
		require.Zero(t, tags.of(in))
		return nil
	})
	require.NoError(t, runAll(t.Context(), l.tasks, map[key]any{image.key: "r.test/a"}))

	var other line
	other.add(stage{name: "verify"}, func(_ context.Context, in inputs) error { findings.of(in); return nil })
	require.ErrorContains(t, runAll(t.Context(), other.tasks, nil), `which it does not need`)
}

func TestRunAll_TheFirstErrorEndsWhatRunsBeside(t *testing.T) {
	refusal := record.Refused("scan/vulnerable", "one finding")
	other := record.Refused("deploy/preflight", "no quota")
	waits := func(give func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error { <-ctx.Done(); return give(ctx) }
	}
	at := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	for name, c := range map[string]struct {
		stages []func(context.Context) error
		want   []error
	}{
		"nothing goes wrong": {[]func(context.Context) error{at(nil), at(nil)}, nil},
		"the other says only that it was ended": {
			[]func(context.Context) error{waits(func(ctx context.Context) error { return fmt.Errorf("pushing: %w", ctx.Err()) }), at(refusal)}, []error{refusal}},
		"the other gives the reason that it was ended for": {
			[]func(context.Context) error{waits(context.Cause), at(refusal)}, []error{refusal}},
		"the other's connection was cut": {
			[]func(context.Context) error{waits(func(context.Context) error { return record.Unavailable("build/registry-unavailable", "closed") }), at(refusal)}, []error{refusal}},
		"the other has a no of its own, and comes first": {
			[]func(context.Context) error{waits(func(context.Context) error { return other }), at(refusal)}, []error{other, refusal}},
	} {
		t.Run(name, func(t *testing.T) {
			var l line
			for i, do := range c.stages {
				l.add(stage{name: fmt.Sprint(i)}, func(ctx context.Context, _ inputs) error { return do(ctx) })
			}
			require.Equal(t, errors.Join(c.want...), runAll(t.Context(), l.tasks, nil))
		})
	}
}

func TestRunAll_NothingBeginsAfterAFailure(t *testing.T) {
	refusal := record.Refused("scan/vulnerable", "one finding")
	for name, c := range map[string]struct {
		stage stage
		begun bool
	}{
		"what needs the failed":                    {stage{name: "sign", needs: []key{"scan"}}, false},
		"what needs something else":                {stage{name: "deploy", needs: []key{"slow"}}, false},
		"what follows the failed however it ended": {stage{name: "attest", however: []key{"scan"}}, true},
		"what follows what never began":            {stage{name: "attest", however: []key{"verify"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var l line
			l.add(stage{name: "scan"}, func(context.Context, inputs) error { return refusal })
			l.add(stage{name: "slow"}, func(ctx context.Context, _ inputs) error { <-ctx.Done(); return nil })
			l.add(stage{name: "verify", needs: []key{"scan"}}, nil)
			l.add(c.stage, func(ctx context.Context, _ inputs) error { return ctx.Err() })
			require.ErrorIs(t, runAll(t.Context(), l.tasks, nil), refusal)
			require.Equal(t, c.begun, l.at(c.stage.name+" begins") >= 0)
		})
	}
}

func TestRunAll_WhatASignalDidIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var l line
		l.add(stage{name: "build"}, func(ctx context.Context, _ inputs) error { <-ctx.Done(); return ctx.Err() })
		l.add(stage{name: "deploy", needs: []key{"build"}}, nil)
		go func() { synctest.Wait(); cancel() }()
		require.ErrorIs(t, runAll(ctx, l.tasks, nil), context.Canceled)
		require.Equal(t, []string{"build begins", "build ends"}, l.notes)
	})
}

func TestRunAll_APanicOfAStageIsItsError(t *testing.T) {
	var l line
	l.add(stage{name: "build"}, func(ctx context.Context, _ inputs) error { <-ctx.Done(); return ctx.Err() })
	l.add(stage{name: "scan"}, func(context.Context, inputs) error { panic("assignment to entry in nil map") })
	l.add(stage{name: "sign", needs: []key{"scan"}}, nil)
	err := runAll(t.Context(), l.tasks, nil)
	var panicked *record.Panicked
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, errors.Join(panicked).Error(), err.Error(), "what that did to the build is left out")
	require.Negative(t, l.at("sign begins"))
}
