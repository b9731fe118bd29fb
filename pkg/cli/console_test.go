package cli

import (
	"bytes"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// at starts a session whose log the test can read.
func at(t *testing.T, settings config.Settings, environ ...string) (*session, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	return testSession("run", settings, environ, &bytes.Buffer{}, &log), &log
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
		var all sync.WaitGroup
		for i, name := range []string{"build", "scan"} {
			all.Go(func() { assert.NoError(t, s.console.RunBeside(name, stage(meet[i], meet[1-i]))) })
		}
		all.Wait()
	}
	s, log := at(t, config.Settings{}, "GITHUB_ACTIONS=true")
	both(s)
	for _, name := range []string{"build", "scan"} {
		require.Regexp(t, `(?m)^\S+ run: `+name+`$`, log.String(), "a line when it starts")
		require.Regexp(t, `::group::`+name+`\n\S+ run `+name+`: begins\n\S+ run `+name+`: ends .*\n::endgroup::`, log.String())
	}
	require.NotRegexp(t, `(?m)^\s*::error`, log.String())

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
	s.console.screen.out, s.console.screen.width = &out, 80
	sent := new(atomic.Int64)
	sent.Store(12_300_000)
	stop := s.console.Progress(sent)
	require.Eventually(t, func() bool {
		s.console.screen.mu.Lock()
		defer s.console.screen.mu.Unlock()
		return bytes.Contains(out.Bytes(), []byte("12.3 MB sent\n"))
	}, quietFor, quietFor/1000)
	stop()
	require.Zero(t, s.console.screen.lines, "the line is gone when the build is over")
}

func TestTheLogOfAJobHasATableOfThePodsAtEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := testSession("deploy", config.Settings{}, []string{"GITHUB_ACTIONS=true"}, &out, &out)
		s.secrets.Withhold("hunter-2-hunter")
		show := func(ready string, age int) string {
			out.Reset()
			s.console.ShowPods(record.Progress{Pods: []record.PodState{{Name: "web-1", New: true, Ready: ready, Seconds: age, Message: "::error::hunter-2-hunter"}}})
			return out.String()
		}
		require.Regexp(t, `^POD +NEW +READY +STATUS +RESTARTS +AGE *\nweb-1 +yes +0/1 +0 +3s `, show("0/1", 3))
		require.NotContains(t, out.String(), "hunter")
		require.NotRegexp(t, `(?m)^\s*::error`, out.String())
		time.Sleep(tablesApart)
		require.Empty(t, show("0/1", 8), "it is only older")
		require.NotEmpty(t, show("1/1", 8))
		require.Empty(t, show("0/1", 9), "at most one each five seconds")
		require.Len(t, s.read().Sights, 3)
	})
}
