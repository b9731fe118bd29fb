package gha

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// The payloads are as GitHub's documents have them
// (docs.github.com/webhooks/webhook-events-and-payloads); a head repository that is gone
// is null (github/rest-api-description#161), and no sign of a friend
// (iterwheel/voyager#267).
const (
	ofFork  = `{"repository":{"full_name":"org/portal"},"pull_request":{"head":{"repo":{"full_name":"mallory/portal","fork":true}}}}`
	ofOwn   = `{"repository":{"full_name":"org/portal"},"pull_request":{"head":{"repo":{"full_name":"org/portal","fork":true}}}}`
	ofGone  = `{"repository":{"full_name":"org/portal"},"pull_request":{"head":{"repo":null}}}`
	runFork = `{"repository":{"full_name":"org/portal"},"workflow_run":{"event":"pull_request","head_repository":{"full_name":"mallory/portal"}}}`
	runOwn  = `{"repository":{"full_name":"org/portal"},"workflow_run":{"event":"pull_request","head_repository":{"full_name":"org/portal"}}}`
	runPush = `{"repository":{"full_name":"org/portal"},"workflow_run":{"event":"push","head_repository":{"full_name":"org/portal"}}}`
)

func TestCheckTrigger_WhoseCodeMayDeploy(t *testing.T) {
	for name, c := range map[string]struct {
		event, payload string
		releases       bool
		want           string
	}{
		"a release":                              {"release", `{}`, true, ""},
		"by hand":                                {"workflow_dispatch", `{}`, true, ""},
		"a pull request with the rights of main": {"pull_request_target", ofOwn, true, "gha/pull-request-target"},
		"and what it builds":                     {"pull_request_target", ofFork, false, "gha/pull-request-target"},
		"a pull request of the repository":       {"pull_request", ofOwn, true, ""},
		"a fork deploys":                         {"pull_request", ofFork, true, "gha/fork"},
		"a fork builds":                          {"pull_request", ofFork, false, ""},
		"a fork that is gone":                    {"pull_request", ofGone, true, "gha/fork"},
		"a review of a fork":                     {"pull_request_review", ofFork, true, "gha/fork"},
		"a payload that says nothing":            {"pull_request", `{}`, true, "gha/fork"},
		"a payload that is none":                 {"pull_request", `[`, true, "gha/fork"},
		"after a fork's run":                     {"workflow_run", runFork, false, "gha/fork"},
		"after a run of the repository":          {"workflow_run", runOwn, true, ""},
		"after a push":                           {"workflow_run", runPush, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "event.json")
			require.NoError(t, os.WriteFile(file, []byte(c.payload), 0o600))
			environment := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": c.event, "GITHUB_EVENT_PATH": file}
			err := New(func(key string) string { return environment[key] }, io.Discard).CheckTrigger(c.releases)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "["+c.want+"]")
			require.Regexp(t, `(?m)^(on|if): `, err.Error(), "the YAML to write")
			require.Equal(t, record.KindInput, record.KindOf(err))
		})
	}
	require.NoError(t, New(func(string) string { return "" }, io.Discard).CheckTrigger(true), "a laptop")
}
