package github

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/test/hostile"
)

func TestAPullRequestHasOneCommentForEachKeyAndItIsKeptUpToDate(t *testing.T) {
	s := serving(t, "pull-requests: write")
	for range 120 { // the marker is looked for beyond the first page (peter-evans/find-comment)
		s.AddComment(githubtest.Comment{Body: "talk", User: "User", Association: "NONE"})
	}
	c := clientOf(t, s)
	for _, body := range []string{"first", "second"} {
		require.NoError(t, c.Comment(t.Context(), 5, "plan web/prod", body))
	}
	require.NoError(t, c.Comment(t.Context(), 5, "plan web/staging", "another"))
	all := s.Comments()[120:]
	require.Len(t, all, 2)
	require.Equal(t, "<!-- stagecrew: plan web/prod -->\nsecond", all[0].Body)
	require.Equal(t, "<!-- stagecrew: plan web/staging -->\nanother", all[1].Body)
}

func TestTheMarkerOfACommentIsNotSeenWhateverIsInIt(t *testing.T) {
	for _, words := range hostile.Texts() {
		if strings.TrimSpace(words) == "" || len(words) > 1000 {
			continue
		}
		s := serving(t, "pull-requests: write")
		c := clientOf(t, s)
		for range 2 {
			require.NoError(t, c.Comment(t.Context(), 5, words, "a plan"))
		}
		require.Len(t, s.Comments(), 1, "%q: found again", words)
		seen := hostile.Markdown(s.Comments()[0].Body)
		require.Equal(t, "a plan", strings.TrimSpace(seen.Text), words)
		require.Empty(t, seen.Grown, words)
	}
}

func TestACommentThatAnybodyCanChangeIsNotTakenForOurs(t *testing.T) {
	s := serving(t, "pull-requests: write")
	s.AddComment(githubtest.Comment{Body: "<!-- stagecrew: plan web/prod -->\nall is well", User: "User", Association: "NONE"})
	require.NoError(t, clientOf(t, s).Comment(t.Context(), 5, "plan web/prod", "a plan"))
	require.Len(t, s.Comments(), 2)
	require.Contains(t, s.Comments()[0].Body, "all is well")
}

// FirebaseExtended/action-hosting-deploy#321, rossjrw/pr-preview-action#60.
func TestATokenThatMayNotCommentIsToldApart(t *testing.T) {
	err := clientOf(t, serving(t, "pull-requests: read")).Comment(t.Context(), 5, "plan", "a plan")
	require.True(t, MayNot(err))
	require.ErrorContains(t, err, "permissions:\n  pull-requests: write")
	err = clientOf(t, serving(t, "pull-requests: write")).Comment(t.Context(), 5, "plan", strings.Repeat("a", 70000))
	require.False(t, MayNot(err))
	require.ErrorContains(t, err, "Body is too long")
}
