package gha

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	return strings.TrimSpace(string(out))
}

// Under `on: workflow_run`, and after a checkout with `ref:`, GITHUB_SHA is the head of the
// default branch and not what is built (actions/checkout#1425, daodaoedu/daodao-f2e#486,
// AlexSkrypnyk/drupal_extension_scaffold#509).
func TestTheCommitIsTheOneThatIsCheckedOut(t *testing.T) {
	const event = "0123456789abcdef0123456789abcdef01234567"
	for name, c := range map[string]struct {
		remote string
		then   [][]string
		below  string
		want   bool // the commit that is checked out
	}{
		"a branch":                       {"https://github.com/Team/Portal", nil, "", true},
		"by SSH":                         {"git@github.com:team/portal.git", nil, "", true},
		"of an Enterprise Server":        {"https://git.example.com/team/portal/", nil, "", true},
		"a commit, as of a tag":          {"https://github.com/team/portal", [][]string{{"checkout", "-q", "--detach"}}, "", true},
		"refs in one file":               {"https://github.com/team/portal", [][]string{{"pack-refs", "--all"}}, "", true},
		"a folder of the repository":     {"https://github.com/team/portal", nil, "apps/portal", true},
		"a checkout of another one":      {"https://github.com/team/portal-config", nil, "", false},
		"of one whose name ends like it": {"https://github.com/other-team/portal", nil, "", false},
		"a branch without a commit":      {"https://github.com/team/portal", [][]string{{"checkout", "-q", "--orphan", "new"}}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			git(t, dir, "init", "-q", "-b", "main")
			git(t, dir, "remote", "add", "origin", c.remote)
			git(t, dir, "commit", "-q", "--allow-empty", "-m", "a")
			head := git(t, dir, "rev-parse", "HEAD")
			for _, args := range c.then {
				git(t, dir, args...)
			}
			require.NoError(t, os.MkdirAll(filepath.Join(dir, c.below), 0o755))
			environment := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "team/portal", "GITHUB_SHA": event}
			a := New(func(key string) string { return environment[key] }, io.Discard)
			got, another := a.Commit(filepath.Join(dir, c.below))
			require.Equal(t, c.want, another)
			if c.want {
				require.Equal(t, head, got)
			} else {
				require.Equal(t, event, got)
			}
			environment["GITHUB_SHA"] = head
			_, another = a.Commit(filepath.Join(dir, c.below))
			require.False(t, another)
			environment["GITHUB_ACTIONS"] = ""
			_, another = a.Commit(filepath.Join(dir, c.below))
			require.False(t, another, "on a laptop nothing is taken that was not given")
		})
	}
}

func TestWhatIsNoCheckoutHasTheCommitOfTheEvent(t *testing.T) {
	a := New(func(key string) string {
		return map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_SHA": "x", "GITHUB_REPOSITORY": "a/b"}[key]
	}, io.Discard)
	for name, c := range map[string]map[string]string{
		"nothing":           {},
		"a ref that leaves": {".git/HEAD": "ref: refs/../../x", "x": strings.Repeat("1", 40), ".git/config": "url = https://github.com/a/b\n"},
		"no commit":         {".git/HEAD": "<html>", ".git/config": "url = https://github.com/a/b\n"},
		"no configuration":  {".git/HEAD": strings.Repeat("1", 40)},
		"a worktree's file": {".git": "gitdir: /elsewhere"},
	} {
		dir := t.TempDir()
		for file, text := range c {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
		}
		commit, another := a.Commit(dir)
		require.False(t, another, name)
		require.Equal(t, "x", commit, name)
	}
}
