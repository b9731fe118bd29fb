package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

// at starts a session whose log the test can read.
func at(t *testing.T, settings config.Settings, environ ...string) (*session, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	return newSession("run", settings, environ, &bytes.Buffer{}, &log), &log
}

func TestTheFirstErrorEndsWhatRunsBeside(t *testing.T) {
	refusal := record.Refused("scan/vulnerable", "one finding")
	other := record.Refused("deploy/preflight", "no quota")
	waits := func(give func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error { <-ctx.Done(); return give(ctx) }
	}
	at := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	for name, c := range map[string]struct {
		tasks []func(context.Context) error
		want  []error
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
			err := together(t.Context(), c.tasks...)
			require.Equal(t, errors.Join(c.want...), err)
		})
	}
}

func TestWhatASignalDidIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := together(ctx, func(ctx context.Context) error { return ctx.Err() })
	require.ErrorIs(t, err, context.Canceled)
}

func TestStagesSideBySideKeepTheirLinesTogether(t *testing.T) {
	both := func(s *session) {
		var meet [2]chan struct{}
		meet[0], meet[1] = make(chan struct{}), make(chan struct{})
		stage := func(own, other chan struct{}) func(*slog.Logger) error {
			return func(log *slog.Logger) error {
				log.Info("begins")
				close(own)
				<-other
				log.Info("ends ::error::x")
				return nil
			}
		}
		require.NoError(t, together(t.Context(),
			func(context.Context) error { return s.aside("build", stage(meet[0], meet[1])) },
			func(context.Context) error { return s.aside("scan", stage(meet[1], meet[0])) }))
	}
	s, log := at(t, config.Settings{}, "GITHUB_ACTIONS=true")
	both(s)
	for _, name := range []string{"build", "scan"} {
		require.Regexp(t, `(?m)^\S+ run: `+name+`$`, log.String(), "a line when it starts")
		require.Regexp(t, `::group::`+name+`\n\S+ run `+name+`: begins\n\S+ run `+name+`: ends .*\n::endgroup::`, log.String())
	}
	require.NotContains(t, log.String(), "::error::")

	s, log = at(t, config.Settings{})
	both(s)
	require.NotContains(t, log.String(), "::group::")
	require.Regexp(t, `(?m)^\S+ run build: begins$`, log.String())
	require.Regexp(t, `(?m)^\S+ run scan: ends`, log.String())
	require.Len(t, s.read().Phases, 2)
}

func TestALineSaysHowFarTheBuildIs(t *testing.T) {
	s, _ := at(t, config.Settings{})
	var out bytes.Buffer
	s.screen.out, s.screen.width = &out, 80
	sent := new(atomic.Int64)
	sent.Store(12_300_000)
	stop := s.progress(sent)
	require.Eventually(t, func() bool {
		s.screen.mu.Lock()
		defer s.screen.mu.Unlock()
		return bytes.Contains(out.Bytes(), []byte("12.3 MB sent\n"))
	}, quietFor, quietFor/1000)
	stop()
	require.Zero(t, s.screen.lines, "the line is gone when the build is over")
}

func TestTheResultDoesNotDependOnWhichScanEndsFirst(t *testing.T) {
	s, _ := at(t, config.Settings{})
	none, scanned := (&inspector{session: s}).result()
	require.False(t, scanned, none)
	one := scan.Result{Platform: "linux/amd64"}
	alone, scanned := (&inspector{session: s, results: []scan.Result{one}}).result()
	require.True(t, scanned)
	require.Equal(t, one, alone)
	both, _ := (&inspector{session: s, results: []scan.Result{{Platform: "linux/arm64"}, one}}).result()
	require.Equal(t, "linux/amd64", both.Platforms[0].Platform)
}
