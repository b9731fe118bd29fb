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

// Anybody may comment on a pull request, and the job has the secrets of the main branch: as
// in ivan-pinatti-labs/docker-torrent-box-with-vpn#42, amd/IRON#140,
// digitalocean/openapi#440.
func TestCheckTrigger_AfterACommentOnlyTheCodeOfABranchDeploys(t *testing.T) {
	upstream := t.TempDir()
	git(t, upstream, "init", "-q", "-b", "main")
	commit := func(message string) string {
		git(t, upstream, "commit", "-q", "--allow-empty", "-m", message)
		return git(t, upstream, "rev-parse", "HEAD")
	}
	onMain := commit("main")
	git(t, upstream, "checkout", "-q", "-b", "feature/a")
	commit("of a colleague")
	git(t, upstream, "checkout", "-q", "--detach")
	ofFork := commit("of a fork")
	git(t, upstream, "update-ref", "refs/pull/7/head", ofFork)

	const comment = `{"issue":{"pull_request":{"url":"https://api.github.com/repos/org/portal/pulls/7"}}}`
	for name, c := range map[string]struct {
		payload  string
		checkout [][]string // as actions/checkout does, and gh
		refused  bool
	}{
		"nothing is checked out": {comment, nil, false},
		"the main branch":        {comment, [][]string{{"fetch", "-q", "origin", "+" + onMain + ":refs/remotes/origin/main"}, {"checkout", "-q", "-B", "main", "refs/remotes/origin/main"}}, false},
		"a branch":               {comment, [][]string{{"fetch", "-q", "origin", "+refs/heads/feature/a*:refs/remotes/origin/feature/a*"}, {"checkout", "-q", "-B", "feature/a", "refs/remotes/origin/feature/a"}}, false},
		"refs in one file":       {comment, [][]string{{"fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*"}, {"checkout", "-q", "refs/remotes/origin/feature/a"}, {"pack-refs", "--all"}}, false},
		"the pull request":       {comment, [][]string{{"fetch", "-q", "origin", "+refs/pull/7/head:refs/remotes/pull/7/head"}, {"checkout", "-q", "refs/remotes/pull/7/head"}}, true},
		"its commit":             {comment, [][]string{{"fetch", "-q", "origin", ofFork}, {"checkout", "-q", ofFork}}, true},
		"a branch made of it":    {comment, [][]string{{"fetch", "-q", "origin", "pull/7/head:feature/a"}, {"checkout", "-q", "feature/a"}}, true},
		"the fork itself":        {comment, [][]string{{"remote", "set-url", "--push", "origin", "https://github.com/mallory/portal"}, {"config", "--unset", "remote.upstream.url"}, {"fetch", "-q", "origin", ofFork}, {"checkout", "-q", ofFork}}, true},
		"an issue that is none":  {`{"issue":{}}`, [][]string{{"fetch", "-q", "origin", ofFork}, {"checkout", "-q", ofFork}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.checkout != nil {
				git(t, dir, "init", "-q", "-b", "none")
				git(t, dir, "remote", "add", "origin", upstream)
				git(t, dir, "config", "remote.upstream.url", "https://github.com/org/portal") // the name that the test's origin has not
			}
			for _, args := range c.checkout {
				git(t, dir, args...)
			}
			file := filepath.Join(t.TempDir(), "event.json")
			require.NoError(t, os.WriteFile(file, []byte(c.payload), 0o600))
			environment := map[string]string{
				"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "issue_comment", "GITHUB_EVENT_PATH": file,
				"GITHUB_REPOSITORY": "org/portal", "GITHUB_SHA": onMain, "GITHUB_WORKSPACE": dir,
			}
			a := New(func(key string) string { return environment[key] }, io.Discard)
			require.NoError(t, a.CheckTrigger(false), "it only looks, or builds")
			err := a.CheckTrigger(true)
			if !c.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "[gha/fork]")
			require.Equal(t, record.KindInput, record.KindOf(err))
		})
	}
}

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
