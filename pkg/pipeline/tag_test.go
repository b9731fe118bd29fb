package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// event is the environment of a workflow that an event started for a reference.
func event(name, kind, ref string) []string {
	full := map[string]string{"tag": "refs/tags/", "branch": "refs/heads/", "": ""}[kind] + ref
	return []string{"GITHUB_ACTIONS=true", "GITHUB_EVENT_NAME=" + name, "GITHUB_REF_TYPE=" + kind, "GITHUB_REF_NAME=" + ref, "GITHUB_REF=" + full, "GITHUB_SHA=" + commit}
}

func TestTagsFollowTheEvent(t *testing.T) {
	released := []string{"sha-0123456", "1.2.3", "1.2", "1", "latest"}
	for name, c := range map[string]struct {
		settings config.Settings
		environ  []string
		want     []string
		warns    string
	}{
		"a pushed tag":                        {environ: event("push", "tag", "v1.2.3"), want: released},
		"a published release":                 {environ: event("release", "tag", "v1.2.3"), want: released},
		"a dispatch by hand, of a tag":        {environ: event("workflow_dispatch", "tag", "v1.2.3"), want: released},
		"a pre-release":                       {environ: event("release", "tag", "v1.2.3-rc.1"), want: []string{"sha-0123456", "1.2.3-rc.1"}},
		"a tag that is no version":            {environ: event("push", "tag", "nightly"), want: []string{"sha-0123456"}, warns: "the version gives no tags"},
		"a tag of a component, maybe another": {environ: event("push", "tag", "plugin@1.2.3"), want: []string{"sha-0123456"}, warns: "--version-label"},
		"a label with a component":            {settings: config.Settings{Version: config.Version{VersionLabel: "portal@1.2.3"}}, want: released[1:]},
		"a pushed branch":                     {environ: event("push", "branch", "Feature/X"), want: []string{"sha-0123456", "feature-x"}},
		"a branch that looks like a release":  {environ: event("push", "branch", "v1"), want: []string{"sha-0123456"}, warns: "the branch gives no tag"},
		"a pull request":                      {environ: append([]string{"GITHUB_REF=refs/pull/7/merge"}, event("pull_request", "branch", "7/merge")...), want: []string{"sha-0123456"}},
		"settings win": {
			settings: config.Settings{Version: config.Version{VersionLabel: "2.0.0-beta", Revision: "f" + commit[1:]}, Tagging: config.Tagging{Branch: "next", Tags: []string{"edge"}}},
			environ:  event("push", "tag", "v1.2.3"), want: []string{"sha-f123456", "next", "edge", "2.0.0-beta"}},
		"a label that is no version names no tag": {settings: config.Settings{Version: config.Version{VersionLabel: "build 7"}}, environ: event("push", "tag", "v1.2.3"), want: []string{"sha-0123456"}, warns: "the version gives no tags"},
		"a laptop":                       {settings: config.Settings{Version: config.Version{VersionLabel: "1.2.3"}}, want: released[1:]},
		"a laptop with a stray variable": {environ: []string{"GITHUB_REF_TYPE=tag", "GITHUB_REF_NAME=v1.2.3"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := logged(t, "run", c.settings, c.environ...)
			moves, err := s.moves()
			require.NoError(t, err)
			var tags []string
			for _, m := range moves {
				tags = append(tags, m.Tag)
			}
			require.Equal(t, c.want, tags)
			require.Contains(t, log.String(), c.warns)
		})
	}
}

// A workflow that follows another one runs on the default branch, and builds what it has
// checked out (department-of-veterans-affairs/vets-api#21626): main is no tag of that.
func TestTheTagsAreThoseOfTheCommitThatIsCheckedOut(t *testing.T) {
	dir, head := t.TempDir(), strings.Repeat("9", 40)
	for file, text := range map[string]string{"HEAD": head, "config": "[remote \"origin\"]\n\turl = https://github.com/team/app\n"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, ".git"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".git", file), []byte(text), 0o600))
	}
	environ := append(event("workflow_run", "branch", "main"), "GITHUB_REPOSITORY=team/app")
	s, log := logged(t, "run", config.Settings{Build: config.Build{Source: dir}}, environ...)
	moves, err := s.moves()
	require.NoError(t, err)
	require.Len(t, moves, 1)
	require.Equal(t, "sha-9999999", moves[0].Tag)
	require.Contains(t, log.String(), "another commit is checked out")
	options, err := s.buildOptions()
	require.NoError(t, err)
	require.Equal(t, head, options.Revision)
}

func TestABranchThatWasAskedForMustGiveATag(t *testing.T) {
	s := part(t, "run", config.Settings{Tagging: config.Tagging{Branch: "v1"}})
	_, err := s.moves()
	require.ErrorContains(t, err, "[build/tag]")
}

func TestAPromotionGivesTheTagsItWasAskedFor(t *testing.T) {
	s := part(t, "promote", config.Settings{}, event("workflow_dispatch", "branch", "main")...)
	moves, err := s.moves()
	require.NoError(t, err)
	require.Empty(t, moves, "the image may be of another commit and branch than the workflow that promotes it")
}

// TestAPromotionIsNotGivenAVersionInVain: nesquena/hermes-webui#52.
func TestAPromotionIsNotGivenAVersionInVain(t *testing.T) {
	for _, label := range []string{"v0.29", "1.2", "nightly"} {
		s := part(t, "promote", config.Settings{Version: config.Version{VersionLabel: label}})
		_, err := s.moves()
		require.ErrorContains(t, err, "[build/tag]")
		require.ErrorContains(t, err, label)
	}
}
