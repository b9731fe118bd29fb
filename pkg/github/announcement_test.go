package github

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/hostile"
)

const (
	firstCommit  = "1111111111111111111111111111111111111111"
	secondCommit = "2222222222222222222222222222222222222222"
	firstImage   = "ghcr.io/org/web@sha256:1111111111111111111111111111111111111111111111111111111111111111"
	secondImage  = "ghcr.io/org/web@sha256:2222222222222222222222222222222222222222222222222222222222222222"
	runOf        = "https://github.com/org/web/actions/runs/"
)

func init() { patience.First = time.Millisecond }

func serving(t *testing.T, permissions ...string) *githubtest.Server {
	t.Helper()
	if len(permissions) == 0 {
		permissions = []string{"deployments: write"}
	}
	return githubtest.New(t, permissions, firstCommit, secondCommit)
}

func clientOf(t *testing.T, s *githubtest.Server) *Client {
	t.Helper()
	c, err := New(Options{API: s.URL, Repository: githubtest.Repository, Token: githubtest.Token, Version: "v1"})
	require.NoError(t, err)
	return c
}

func announcementOf(t *testing.T, s *githubtest.Server, commit, run string) *Announcement {
	t.Helper()
	return &Announcement{Client: clientOf(t, s), Environment: "production", Run: runOf + run + "/attempts/1", URL: "https://web.example.com", Commit: commit, Auto: true}
}

func deploying(image string) Deployment {
	return Deployment{Release: "web", Namespace: "prod", Image: image}
}

// deployed is a deploy that ended well.
func deployed(t *testing.T, s *githubtest.Server, commit, run, image string) {
	t.Helper()
	a := announcementOf(t, s, commit, run)
	a.Begin(t.Context(), deploying(image))
	require.NoError(t, a.End(t.Context(), Ending{State: Success, Description: "revision 1 is live and verified good"}))
}

func states(s *githubtest.Server) (all []string) {
	for _, d := range s.Deployments() {
		all = append(all, d.Commit[:1]+" "+d.State())
	}
	return all
}

// GitHub makes deployments before an active one inactive by itself only where the
// environment is not called production (github/rest-api-description, auto_inactive;
// chrnorm/deployment-status#27).
func TestOfSeveralDeploysTheLastIsTheActiveOneAlsoInProduction(t *testing.T) {
	s := serving(t)
	deployed(t, s, firstCommit, "1", firstImage)
	deployed(t, s, secondCommit, "2", secondImage)
	require.Equal(t, []string{"1 inactive", "2 success"}, states(s))
	second := s.Deployments()[1]
	require.Equal(t, []githubtest.Status{
		{State: "in_progress", Description: "deploying " + secondImage, LogURL: runOf + "2/attempts/1"},
		{State: "success", Description: "revision 1 is live and verified good", LogURL: runOf + "2/attempts/1", EnvironmentURL: "https://web.example.com"},
	}, second.Statuses)
	require.Equal(t, "production", second.Environment)
}

// GitHub refuses a description of more than 140 characters (Shopify/shipit-engine#1004), and
// an address that is none.
func TestTheStateOfADeploymentIsTextWhateverItSays(t *testing.T) {
	for _, words := range hostile.Texts() {
		s := serving(t)
		a := announcementOf(t, s, firstCommit, "1")
		a.Begin(t.Context(), Deployment{Release: words, Namespace: words, Image: firstImage})
		require.NoError(t, a.End(t.Context(), Ending{State: Failure, Description: words}))
		require.Len(t, s.Deployments(), 1)
		last := s.Deployments()[0].Statuses[1].Description
		require.Zero(t, hostile.Steers(last), words)
		require.Empty(t, hostile.Missing(words, last, 80), words)
	}
}

// The page leads where the setting says, and the state counts wherever that is.
func TestThePageLeadsOnlyToAddressesThatEverybodyMaySee(t *testing.T) {
	all := map[string]string{
		"https://web.example.com/portal": "https://web.example.com/portal", "http://10.0.0.1:8080": "http://10.0.0.1:8080",
		"https://joe:s3cret@web.example.com/": "https://web.example.com/", "https://token@web.example.com": "https://web.example.com",
		"https://web.example.com/a b": "https://web.example.com/a%20b", "https://web.example.com/\u202egnp": "https://web.example.com/%E2%80%AEgnp",
		"javascript:alert(1)": "", "JavaScript://web.example.com/%0aalert(1)": "", "data:text/html,x": "", "ftp://web.example.com": "", "//web.example.com": "", "web.example.com": "",
		"https://a b.example.com": "", "https://web.example.com\n::error::x": "", "https://": "", "https://web.example.com:port": "",
	}
	for _, words := range hostile.Texts() {
		all["https://web.example.com/"+words] = "*"
		all[words] = "*"
	}
	for given, want := range all {
		s := serving(t)
		a := announcementOf(t, s, firstCommit, "1")
		a.URL = given
		a.Begin(t.Context(), deploying(firstImage))
		require.NoError(t, a.End(t.Context(), Ending{State: Success, Description: "good"}), "%q", given)
		statuses := s.Deployments()[0].Statuses
		last := statuses[len(statuses)-1]
		require.Equal(t, "success", last.State, "%q", given)
		if want != "*" {
			require.Equal(t, want, last.EnvironmentURL, "%q", given)
		}
		require.Regexp(t, `^(https?://[!-~]+)?$`, last.EnvironmentURL, "%q", given)
	}
}

func TestADeployThatFailedLeavesTheOneBeforeActive(t *testing.T) {
	s := serving(t)
	deployed(t, s, firstCommit, "1", firstImage)
	a := announcementOf(t, s, secondCommit, "2")
	a.Begin(t.Context(), deploying(secondImage))
	require.NoError(t, a.End(t.Context(), Ending{State: Failure, Description: "refused, nothing was changed; revision 1 is live"}))
	require.Equal(t, []string{"1 success", "2 failure"}, states(s))
	require.Empty(t, s.Deployments()[1].Statuses[1].EnvironmentURL, "nobody is led to what does not run")
}

func TestAfterARollbackByItselfTheRunningCommitIsTheNewestAndActive(t *testing.T) {
	s := serving(t)
	deployed(t, s, firstCommit, "1", firstImage)
	a := announcementOf(t, s, secondCommit, "2")
	a.Begin(t.Context(), deploying(secondImage))
	running := deploying(firstImage)
	require.NoError(t, a.End(t.Context(), Ending{State: Failure, Description: "revision 2 did not pass", Serves: &running, Why: "serves again as revision 3"}))
	require.Equal(t, []string{"1 inactive", "2 failure", "1 success"}, states(s))
	last := s.Deployments()[2]
	require.Equal(t, "serves again as revision 3", last.Statuses[0].Description)
	require.Equal(t, "https://web.example.com", last.Statuses[0].EnvironmentURL)
}

func TestARollbackByHandMakesTheOlderCommitTheActiveOne(t *testing.T) {
	s := serving(t)
	deployed(t, s, firstCommit, "1", firstImage)
	deployed(t, s, secondCommit, "2", secondImage)
	running := deploying(firstImage)
	a := announcementOf(t, s, secondCommit, "3") // of the branch, which is not what runs
	require.NoError(t, a.End(t.Context(), Ending{State: Success, Serves: &running, Why: "rolled back by hand"}))
	require.Equal(t, []string{"1 inactive", "2 inactive", "1 success"}, states(s))
}

func TestARecoveryEndsTheDeploymentOfTheRunThatDied(t *testing.T) {
	s := serving(t)
	deployed(t, s, firstCommit, "1", firstImage)
	dead := announcementOf(t, s, secondCommit, "2")
	dead.Begin(t.Context(), deploying(secondImage))
	dead.begun.Wait()
	t.Run("when what it deployed proves good", func(t *testing.T) {
		running := deploying(secondImage)
		require.NoError(t, announcementOf(t, s, secondCommit, "3").End(t.Context(), Ending{State: Success, Serves: &running, Why: "judged by recover"}))
		require.Equal(t, []string{"1 inactive", "2 success"}, states(s))
	})
	again := announcementOf(t, s, secondCommit, "4")
	again.Begin(t.Context(), deploying(secondImage))
	again.begun.Wait()
	t.Run("when the one before is put back", func(t *testing.T) {
		running := deploying(firstImage)
		require.NoError(t, announcementOf(t, s, secondCommit, "5").End(t.Context(), Ending{State: Failure, Serves: &running, Why: "put back"}))
		require.Equal(t, []string{"1 inactive", "2 inactive", "2 error", "1 success"}, states(s))
	})
}

// Another release in the same environment stays what it is (chrnorm/deployment-status#45).
func TestAnotherReleaseInTheEnvironmentStaysActive(t *testing.T) {
	s := serving(t)
	other := announcementOf(t, s, firstCommit, "1")
	other.Environment = "staging"
	other.Begin(t.Context(), Deployment{Release: "other", Namespace: "prod", Image: firstImage})
	require.NoError(t, other.End(t.Context(), Ending{State: Success}))
	a := announcementOf(t, s, secondCommit, "2")
	a.Environment = "staging"
	a.Begin(t.Context(), deploying(secondImage))
	require.NoError(t, a.End(t.Context(), Ending{State: Success}))
	require.Equal(t, []string{"1 success", "2 success"}, states(s))
}

// An image is promoted by a workflow of another commit than it was built of.
func TestAPromotedImageIsADeploymentOfTheCommitThatItWasBuiltOf(t *testing.T) {
	s := serving(t)
	staging := announcementOf(t, s, firstCommit, "1")
	staging.Environment = "staging"
	staging.Begin(t.Context(), deploying(firstImage))
	require.NoError(t, staging.End(t.Context(), Ending{State: Success}))
	deployed(t, s, secondCommit, "2", firstImage)
	require.Equal(t, []string{"1 success", "1 success"}, states(s))
}

// A job with `environment:` has a deployment already (actions/runner#2120).
func TestNothingIsMadeBesideTheDeploymentThatGitHubMakesForTheJob(t *testing.T) {
	for name, c := range map[string]struct {
		run   string
		state string
		own   bool
	}{
		"of this run":           {"7/job/42", "in_progress", true},
		"of another run":        {"77/job/42", "in_progress", false},
		"of a job that is over": {"7/job/41", "success", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving(t)
			s.AddDeployment(githubtest.Deployment{Environment: "prod-eu", Commit: firstCommit, Statuses: []githubtest.Status{{State: c.state, LogURL: runOf + c.run}}})
			deployed(t, s, firstCommit, "7", firstImage)
			require.Equal(t, c.own, len(s.Deployments()) == 1)
		})
	}
}

// A fork's token reads only (bobheadxi/deployments#52), and so does that of Dependabot
// (bobheadxi/deployments#32); others lack the permission (bobheadxi/deployments#156,
// chrnorm/deployment-status#31).
func TestATokenThatMayNotIsNoErrorUnlessItWasAskedFor(t *testing.T) {
	for name, permissions := range map[string][]string{"of a fork": {"deployments: read"}, "without the permission": {"contents: read"}} {
		t.Run(name, func(t *testing.T) {
			s := serving(t, permissions...)
			deployed(t, s, firstCommit, "1", firstImage)
			require.Empty(t, s.Deployments())

			a := announcementOf(t, s, firstCommit, "1")
			a.Auto = false
			a.Begin(t.Context(), deploying(firstImage))
			err := a.End(t.Context(), Ending{State: Success})
			require.ErrorContains(t, err, "Resource not accessible by integration")
			require.ErrorContains(t, err, "permissions:\n  deployments: ")
			require.ErrorContains(t, err, "[github/no-permission]")
		})
	}
}

// The checks of a commit never pass before the job that asks (remind101/slashdeploy#1,
// nexthink-oss/ghup#135).
func TestChecksThatAreNotOverDoNotKeepADeploymentFromBeingMade(t *testing.T) {
	s := serving(t)
	s.FailChecks()
	deployed(t, s, firstCommit, "1", firstImage)
	require.Equal(t, []string{"1 success"}, states(s))
}

// A description of more than 140 characters is refused (Shopify/shipit-engine#1004).
func TestALongDescriptionIsCut(t *testing.T) {
	s := serving(t)
	a := announcementOf(t, s, firstCommit, "1")
	a.Begin(t.Context(), deploying("ghcr.io/"+strings.Repeat("ü", 150)+"@sha256:1"))
	require.NoError(t, a.End(t.Context(), Ending{State: Failure, Description: strings.Repeat("ä", 200) + "\n"}))
	require.Equal(t, []string{"1 failure"}, states(s))
}

func TestWhatIsGoneBackToIsNotShownAsACommitThatNobodyKnows(t *testing.T) {
	s := serving(t)
	running := deploying(firstImage)
	err := announcementOf(t, s, secondCommit, "1").End(t.Context(), Ending{State: Success, Serves: &running})
	require.ErrorContains(t, err, "[github/unknown-commit]")
	require.Empty(t, s.Deployments())
}

func TestAnAPIThatHangsEndsWithTheTimeThatItHas(t *testing.T) {
	s := serving(t)
	s.Refuse(githubtest.Refusal{Hang: true})
	a := announcementOf(t, s, firstCommit, "1")
	a.Begin(t.Context(), deploying(firstImage))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, a.End(ctx, Ending{State: Success}), "did not answer in time [github/unavailable]")
	a.begun.Wait() // what was begun ends with it
}

func TestWhatGitHubRefusesIsExplained(t *testing.T) {
	for name, c := range map[string]struct {
		refusal githubtest.Refusal
		code    string
		says    string
	}{
		"a token that has ended":         {githubtest.Refusal{Status: 401, Message: "Bad credentials"}, "github/bad-token", "Bad credentials"},
		"a repository that is not seen":  {githubtest.Refusal{Status: 404, Message: "Not Found"}, "github/not-found", "org/web"},
		"a conflict":                     {githubtest.Refusal{Status: 409, Message: "Conflict: Commit status checks failed for main."}, "github/refused", "409"},
		"a request that is not valid":    {githubtest.Refusal{Status: 422, Message: "Validation Failed"}, "github/refused", "422"},
		"an API that is broken":          {githubtest.Refusal{Status: 502, Message: "Server Error"}, "github/unavailable", "502"},
		"a limit that ends in an hour":   {githubtest.Refusal{Status: 403, Message: "API rate limit exceeded", Header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}}, "github/rate-limited", "no more requests"},
		"a second limit that ends later": {githubtest.Refusal{Status: 429, Message: "You have exceeded a secondary rate limit", Header: map[string]string{"Retry-After": "3600"}}, "github/rate-limited", "1h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving(t)
			s.Refuse(c.refusal)
			_, err := clientOf(t, s).list(t.Context(), "")
			var known *record.Error
			require.ErrorAs(t, err, &known)
			require.Equal(t, c.code, known.Code)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), githubtest.Token)
		})
	}
}

func TestAShortLimitIsWaitedForAndABadMomentPasses(t *testing.T) {
	s := serving(t)
	s.Refuse(
		githubtest.Refusal{Request: "GET /deployments", Status: 429, Message: "You have exceeded a secondary rate limit", Header: map[string]string{"Retry-After": "0"}, Times: 1},
		githubtest.Refusal{Request: "POST /deployments", Status: 503, Message: "Service unavailable", Times: 1},
		githubtest.Refusal{Request: "POST /1/statuses", Status: 502, Message: "Bad gateway", Times: 1},
	)
	deployed(t, s, firstCommit, "1", firstImage)
	require.Equal(t, []string{"1 success"}, states(s))
}

// An answer that is lost does not say that nothing was made.
func TestADeploymentIsNotMadeTwiceWhenTheAnswerIsLost(t *testing.T) {
	s := serving(t)
	s.Refuse(githubtest.Refusal{Request: "POST /deployments", Status: 502, Message: "Bad gateway"})
	_, err := clientOf(t, s).create(t.Context(), deploying(firstImage))
	require.ErrorContains(t, err, "502")
	require.Len(t, s.Requests(), 1)
}
