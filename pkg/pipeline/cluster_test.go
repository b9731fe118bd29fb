package pipeline

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/kube/kubetest"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// apiServer answers as a cluster without any object would. It gives the settings of a
// release there.
func apiServer(t *testing.T) config.Cluster {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`))
	}))
	t.Cleanup(server.Close)
	return config.Cluster{Release: "web", Kubeconfig: kubetest.Kubeconfig(t, server.URL), APIPatience: time.Second}
}

// The namespace of the context is that of the record, also where there is no release.
func TestRun_ALookAtAReleaseThatIsNotThere(t *testing.T) {
	at := apiServer(t)
	for _, command := range []string{"status", "smoke"} {
		t.Run(command, func(t *testing.T) {
			var w witness
			err := Run(t.Context(), Commands()[command], config.Settings{Cluster: at, Checks: config.Checks{Smoke: smokeFile(t)}}, w.host())
			require.ErrorContains(t, err, `there is no release "web" in namespace "portal"`)
			require.Equal(t, record.KindRefused, record.KindOf(err))
			require.Empty(t, w.revisions)
		})
	}
}

// All that is wrong with the release is told at once, before anything is asked.
func TestRun_WhereNoReleaseCanBe(t *testing.T) {
	at := apiServer(t)
	at.Release, at.Namespace = "Web_", "Portal prod"
	var w witness
	err := Run(t.Context(), Commands()["status"], config.Settings{Cluster: at, Secrets: config.Secrets{VerdictKey: []byte("short")}}, w.host())
	require.Equal(t, record.KindInput, record.KindOf(err))
	for _, code := range []string{"[kube/namespace]", "[release/name]", "[release/verdict-key]"} {
		require.ErrorContains(t, err, code)
	}
}

func smokeFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "smoke.yaml")
	require.NoError(t, os.WriteFile(file, []byte("attempts: 1\nchecks: [{name: page, path: /}]\n"), 0o600))
	return file
}

func TestAnswer_OneThatFailedRefusesAndOneThatToldNothingLeavesItOpen(t *testing.T) {
	check := func(result record.CheckResult) record.Check {
		return record.Check{Name: "page", Target: "Pod/a", Result: result, Detail: "status 500"}
	}
	for name, c := range map[string]struct {
		checks []record.Check
		kind   record.Kind
		want   string
	}{
		"all passed":                     {[]record.Check{check(record.CheckPassed)}, record.KindUnknown, ""},
		"one failed after one in doubt":  {[]record.Check{check(record.CheckInconclusive), check(record.CheckFailed)}, record.KindRefused, "page on Pod/a: status 500 [smoke/check-failed]"},
		"one told nothing":               {[]record.Check{check(record.CheckPassed), check(record.CheckInconclusive)}, record.KindUnavailable, "[smoke/not-proven]"},
		"there was nothing to send them": {nil, record.KindUnavailable, "nothing to send the checks to: Service/web: somebody has deleted it [rollout/deleted]"},
	} {
		t.Run(name, func(t *testing.T) {
			err := answer(c.checks, "Service/web: somebody has deleted it [rollout/deleted]")
			require.Equal(t, c.kind, record.KindOf(err))
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
		})
	}
}

func TestDeployment_ItsOptionsAreReadOnceAndBeforeAnyWork(t *testing.T) {
	settings := config.Settings{Cluster: apiServer(t), Checks: config.Checks{Smoke: record.SmokeNone},
		Deadline: config.Deadline{Timeout: time.Hour}, RollbackTime: config.RollbackTime{RollbackTimeout: time.Minute}, Gate: config.Gate{Soak: config.Soak(time.Second)}}
	s, log := logged(t, "rollback", settings, "GITHUB_RUN_ID=7", "GITHUB_RUN_ATTEMPT=2")
	d, err := s.deployment()
	require.NoError(t, err)
	require.Equal(t, "web", d.options.Release)
	require.Equal(t, "portal", d.options.Namespace, "that of the context")
	require.Equal(t, time.Hour, d.options.Timeout)
	require.Equal(t, time.Second, d.options.Soak)
	require.False(t, d.options.Asks)
	require.Regexp(t, `^run 7 attempt 2 on .* pid \d+$`, d.options.Holder)
	_, err = s.deployment()
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(log.String(), "ready pods count as proof"))

	for command, warned := range map[string]bool{"rollback": true, "recover": true, "gate": false} {
		s, log := logged(t, command, settings)
		_, err := s.prepare()
		require.NoError(t, err)
		require.Equal(t, warned, strings.Contains(log.String(), "the image that is gone back to is not checked"), command)
	}
	settings.Kubeconfig, settings.Smoke, settings.Image = "nowhere", "nowhere.yaml", "web:latest"
	_, err = part(t, "deploy", settings).prepare()
	for _, problem := range []string{"--image: ", `reading the kubeconfig "nowhere"`, "--smoke: ", "--verify-key"} {
		require.ErrorContains(t, err, problem, "all at once")
	}
	require.Equal(t, record.KindInput, record.KindOf(err))
}

func TestSoak_TheSettingAsTheStateMachineTakesIt(t *testing.T) {
	require.Equal(t, time.Duration(0), soak(config.SoakAuto))
	require.Negative(t, soak(0))
	require.Equal(t, time.Minute, soak(config.Soak(time.Minute)))
}

// What the early preflight of a run has warned of is not told again, and stays on the
// record.
func TestFill_ConcernsAreToldOnce(t *testing.T) {
	quota := record.Concern{Code: "preflight/quota", Message: "nearly used up"}
	late := record.Concern{Code: "preflight/image-not-pullable", Message: "not there"}
	var r record.Record
	fill(&r, []record.Concern{quota}, record.Record{Concerns: []record.Concern{late}, Verdict: record.VerdictGood})
	require.Equal(t, []record.Concern{quota, late}, r.Concerns)
}
