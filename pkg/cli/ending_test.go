package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// counting counts the documents that are written to it.
type counting struct {
	mu    sync.Mutex
	texts []string
}

func (c *counting) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.texts = append(c.texts, string(p))
	return len(p), nil
}

func TestARunEndsOnceHoweverManyEndIt(t *testing.T) {
	var stdout counting
	s := testSession("deploy", config.Settings{Common: config.Common{Output: config.OutputJSON}}, nil, &stdout, io.Discard)
	var all sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		all.Go(func() {
			s.Update(func(r *record.Record) { r.Phases = append(r.Phases, record.Phase{Name: "beside"}) })
			s.Sketch(func(r *record.Record) { r.Advice = "a draft" })
			if i%2 == 0 {
				codes[i] = s.abort()
				return
			}
			codes[i] = s.finish(nil)
		})
	}
	all.Wait()
	require.Len(t, stdout.texts, 1, "one record")
	for _, code := range codes {
		require.Equal(t, codes[0], code, "whoever comes second has the code of the first")
	}
	before := s.read()
	s.Update(func(r *record.Record) { r.Error = "too late" })
	require.Equal(t, before, s.read())
}

func TestAPanicOfACommandLeavesRecordOutputsAndSummary(t *testing.T) {
	breaks(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	var log bytes.Buffer
	s := testSession("deploy", config.Settings{Common: config.Common{Record: file("record.json")}}, []string{
		"GITHUB_ACTIONS=true", "GITHUB_OUTPUT=" + file("out"), "GITHUB_STEP_SUMMARY=" + file("summary"),
	}, io.Discard, &log)
	err := attempt(func() error {
		s.Sketch(func(r *record.Record) {
			r.Verdict, r.Release = record.VerdictUnknown, &record.Release{Name: "web", Namespace: "prod", Revision: 3, Live: 3}
		})
		panic("assignment to entry in nil map")
	})
	require.Equal(t, exitUnknown, s.finish(err))

	var rec record.Record
	content, err := os.ReadFile(file("record.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &rec))
	require.Equal(t, record.VerdictUnknown, rec.Verdict)
	require.Equal(t, 3, rec.Release.Revision, "as the state machine had reported it")
	require.Contains(t, rec.Error, "assignment to entry in nil map [cli/panicked]")
	require.Contains(t, rec.Advice, "stagecrew recover")
	require.Len(t, rec.Panics, 1)
	require.Contains(t, rec.Panics[0].Stack, "ending_test.go")
	outputs, err := os.ReadFile(file("out"))
	require.NoError(t, err)
	require.Contains(t, string(outputs), "unknown")
	require.FileExists(t, file("summary"))
	require.NotContains(t, log.String(), "goroutine ", "the stack is not for the log")
}

func TestWhatIsToDoAfterASignalDependsOnTheCommand(t *testing.T) {
	for name, c := range map[string]struct {
		settings config.Settings
		changes  bool
		advice   string
	}{
		"status": {advice: "nothing in the cluster was changed"}, "preflight": {advice: "nothing in the cluster was changed"},
		"smoke": {advice: "nothing in the cluster was changed"}, "build": {changes: true, advice: "nothing in the cluster was changed"},
		"deploy": {changes: true, advice: "stagecrew recover"}, "rollback": {config.Settings{Trial: config.Trial{DryRun: true}}, false, "nothing in the cluster was changed"},
	} {
		s := testSession(name, c.settings, nil, io.Discard, io.Discard)
		require.Equal(t, c.changes, s.effect != pipeline.Nothing, name)
		require.Equal(t, exitCancelled, s.abort(), name)
		require.Contains(t, s.read().Advice, c.advice, name)
	}
}

// "Re-run jobs" has a box "Enable debug logging", which sets RUNNER_DEBUG (actions/runner#253,
// anthropics/claude-code-action#1604).
func TestDebugLoggingOfTheJobIsThatOfTheCommand(t *testing.T) {
	for environ, want := range map[string]bool{"": false, "RUNNER_DEBUG=1": true, "RUNNER_DEBUG=0": false} {
		var log bytes.Buffer
		s := testSession("deploy", config.Settings{}, []string{"GITHUB_ACTIONS=true", environ}, io.Discard, &log)
		s.console.log.Debug("why it was asked again\n::error::x", "attempt", 2)
		require.Equal(t, want, strings.Contains(log.String(), "deploy: debug: why it was asked again"), environ)
		require.NotContains(t, log.String(), "\n::error::")
	}
	var log bytes.Buffer
	testSession("deploy", config.Settings{}, []string{"RUNNER_DEBUG=1"}, io.Discard, &log).console.log.Debug("on a laptop")
	require.Empty(t, log.String())
}

func TestWarningsBecomeAnnotations(t *testing.T) {
	var log bytes.Buffer
	s := testSession("deploy", config.Settings{}, []string{"GITHUB_ACTIONS=true"}, io.Discard, &log)
	s.console.log.Warn("the quota is nearly used up\n::error::x", "quota", "pods")
	s.console.log.Warn("the quota is nearly used up\n::error::x", "quota", "pods")
	s.console.log.Error("no warning")
	require.Equal(t, 1, strings.Count(log.String(), "::warning title=stagecrew deploy::the quota is nearly used up"), log.String())
	require.NotContains(t, log.String(), "\n::error::")
	for i := range 20 {
		s.console.log.Warn("another", "number", i)
	}
	require.Equal(t, maxWarnings, strings.Count(log.String(), "::warning "), "GitHub would drop more")

	log.Reset()
	s = testSession("deploy", config.Settings{}, nil, io.Discard, &log)
	s.console.log.Warn("on a laptop")
	require.NotContains(t, log.String(), "::warning")
}

// watching is a log that calls a function when a text comes by.
type watching struct {
	text string
	call func()
}

func (w watching) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.text) {
		w.call()
	}
	return len(p), nil
}

// Helm's storage takes no context: a signal was noticed when the wait was over.
func TestASignalEndsAReadWhileTheAPIServerIsAway(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(kubeconfig, []byte(`{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}],
users: [{name: u, user: {token: t}}], contexts: [{name: prod, context: {cluster: c, user: u}}], current-context: prod}`), 0o600))
	for _, name := range []string{"status", "rollback", "smoke", "gate"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			settings := config.Settings{Cluster: config.Cluster{Release: "web", Kubeconfig: kubeconfig, APIPatience: time.Hour}, Checks: config.Checks{Smoke: "backstage"}, RollbackTime: config.RollbackTime{RollbackTimeout: time.Hour}, Deadline: config.Deadline{Timeout: time.Hour}}
			environ := []string{"BACKSTAGE_SMOKE_TOKEN=x"}
			s := testSession(name, settings, environ, io.Discard, watching{"waiting for the API server: dial tcp 127.0.0.1:1", cancel})
			err := pipeline.Run(ctx, pipeline.Commands()[name], settings, s.host(environ))
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
			require.Equal(t, exitCancelled, s.cancel(err))
		})
	}
}
