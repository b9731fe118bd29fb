package pipeline

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	builtCommit = "1111111111111111111111111111111111111111"
	builtImage  = "ghcr.io/org/web@sha256:1111111111111111111111111111111111111111111111111111111111111111"
)

// told is a deployment of a job whose GitHub is the server, with what it logs and what
// it does at the end.
func told(s *githubtest.Server, settings config.Settings, environ ...string) (d *deployment, log *bytes.Buffer, end func(record.Record)) {
	w := &witness{}
	environ = append(environ, "GITHUB_ACTIONS=true", "GITHUB_API_URL="+s.URL, "GITHUB_REPOSITORY="+githubtest.Repository, "GITHUB_TOKEN="+githubtest.Token,
		"GITHUB_SERVER_URL=https://github.com", "GITHUB_RUN_ID=7", "GITHUB_RUN_ATTEMPT=1", "GITHUB_SHA="+builtCommit)
	d = &deployment{host: w.host(environ...), settings: settings, options: deploy.Options{Release: "web", Namespace: "prod"}}
	return d, &w.log, func(r record.Record) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for _, tell := range w.tellers {
			tell(ctx, r)
		}
	}
}

func image1(t *testing.T) record.Image {
	t.Helper()
	image, err := record.ParseImage(builtImage)
	require.NoError(t, err)
	return image
}

func telling(t config.Telling) config.Settings {
	return config.Settings{GitHub: config.GitHub{GitHubDeployment: t}}
}

func TestGitHubIsToldWhatBecameOfADeploy(t *testing.T) {
	at := func(change func(*record.Release)) *record.Release {
		r := &record.Release{Name: "web", Namespace: "prod", Revision: 8, RollbackTarget: 7, Live: 8, LiveImage: builtImage}
		if change != nil {
			change(r)
		}
		return r
	}
	back := at(func(r *record.Release) { r.Live = 9 })
	for name, c := range map[string]struct {
		record      record.Record
		state, says string
	}{
		"good":      {record.Record{Verdict: record.VerdictGood, Release: at(nil)}, "success", "revision 8 is live and verified good"},
		"back":      {record.Record{Verdict: record.VerdictRolledBack, Release: back, Cause: &record.Cause{Code: "rollout/crash-loop"}}, "success", "serves again as revision 9, a copy of 7: revision 8 did not pass (rollout/crash-loop)"},
		"refused":   {record.Record{Verdict: record.VerdictRefused, Release: at(func(r *record.Release) { r.Live = 7 })}, "failure", "refused, nothing was changed; revision 7 is live"},
		"human":     {record.Record{Verdict: record.VerdictNeedsHuman, Release: at(nil), Cause: &record.Cause{Code: "smoke/failed"}}, "failure", "a human is needed (smoke/failed); revision 8 is live"},
		"cancelled": {record.Record{Verdict: record.VerdictCancelled, Release: at(nil), Cause: &record.Cause{Code: "deploy/cancelled"}}, "error", "cancelled (deploy/cancelled); revision 8 is live"},
		"unknown":   {record.Record{Verdict: record.VerdictUnknown, Release: at(nil)}, "error", "could not tell; revision 8 is live"},
		"no more":   {record.Record{Verdict: record.VerdictError}, "error", "could not tell"},
	} {
		t.Run(name, func(t *testing.T) {
			s := githubtest.New(t, []string{"deployments: write"}, builtCommit)
			d, log, end := told(s, telling(config.TellAuto))
			d.announce(t.Context(), image1(t))
			end(c.record)
			all := s.Deployments()
			require.NotEmpty(t, all, log.String())
			last := all[len(all)-1]
			require.Equal(t, "web/prod", last.Environment)
			require.Equal(t, c.state, last.State())
			require.Equal(t, c.says, last.Statuses[len(last.Statuses)-1].Description)
			require.Equal(t, "https://github.com/org/web/actions/runs/7/attempts/1", last.Statuses[0].LogURL)
			require.NotContains(t, log.String(), "level=WARN")
		})
	}
}

// A rollback runs on a branch, whose commit is not what comes back; it begins with no
// image, and no deployment of one.
func TestGitHubIsToldWhatARollbackByHandLeaves(t *testing.T) {
	const branch = "2222222222222222222222222222222222222222"
	s := githubtest.New(t, []string{"deployments: write"}, builtCommit, branch)
	at := &record.Release{Name: "web", Namespace: "prod", Revision: 7, Live: 7, LiveImage: builtImage}
	d, _, end := told(s, telling(config.TellAuto))
	d.announce(t.Context(), image1(t))
	end(record.Record{Command: "deploy", Verdict: record.VerdictGood, Release: at})

	other := builtImage[:len(builtImage)-1] + "2"
	d, _, end = told(s, telling(config.TellAuto), "GITHUB_SHA="+branch)
	image, err := record.ParseImage(other)
	require.NoError(t, err)
	d.announce(t.Context(), image)
	end(record.Record{Command: "deploy", Verdict: record.VerdictGood, Release: &record.Release{Name: "web", Namespace: "prod", Revision: 8, Live: 8, LiveImage: other}})

	d, log, end := told(s, telling(config.TellAuto), "GITHUB_SHA="+branch)
	d.announce(t.Context(), record.Image{})
	end(record.Record{Command: "rollback", Verdict: record.VerdictGood, Reason: "no login", Release: &record.Release{Name: "web", Namespace: "prod", Revision: 9, Live: 9, RollbackTarget: 7, LiveImage: builtImage}})
	all := s.Deployments()
	require.Len(t, all, 3, log.String())
	require.Equal(t, []string{"inactive", "inactive", "success"}, []string{all[0].State(), all[1].State(), all[2].State()})
	require.Equal(t, builtCommit, all[2].Commit)
	require.Contains(t, string(all[2].Payload), builtImage)
	require.Equal(t, "rolled back by hand to revision 7, which serves as revision 9: no login", all[2].Statuses[0].Description)
}

func TestGitHubIsNotToldWhereNobodyWantsThat(t *testing.T) {
	for name, c := range map[string]struct {
		settings config.Settings
		dry      bool
		environ  []string
	}{
		"never":           {settings: telling(config.TellNever)},
		"a dry run":       {settings: telling(config.TellAlways), dry: true},
		"without a token": {settings: telling(config.TellAuto), environ: []string{"GITHUB_TOKEN="}},
		"on a laptop":     {settings: telling(config.TellAuto), environ: []string{"GITHUB_ACTIONS=false"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := githubtest.New(t, []string{"deployments: write"}, builtCommit)
			d, log, end := told(s, c.settings, c.environ...)
			d.options.DryRun = c.dry
			d.announce(t.Context(), image1(t))
			end(record.Record{Verdict: record.VerdictGood})
			require.Empty(t, s.Requests())
			require.Empty(t, log.String())
		})
	}
}

func TestThatGitHubCannotBeToldIsAWarning(t *testing.T) {
	s := githubtest.New(t, []string{"contents: read"}, builtCommit)
	d, log, end := told(s, telling(config.TellAlways))
	d.announce(t.Context(), image1(t))
	end(record.Record{Verdict: record.VerdictGood, Release: &record.Release{Live: 1}})
	require.Contains(t, log.String(), "level=WARN")
	require.Contains(t, log.String(), "github/no-permission")

	d, log, _ = told(s, telling(config.TellAlways), "GITHUB_TOKEN=")
	d.announce(t.Context(), image1(t))
	require.Contains(t, log.String(), "github/no-token")
}

func TestARollbackByHandTellsWhy(t *testing.T) {
	e := ending(record.Record{Command: "rollback", Verdict: record.VerdictGood, Reason: "login broken", Release: &record.Release{RollbackTarget: 5, Live: 9, LiveImage: builtImage}}, false)
	require.Equal(t, "rolled back by hand to revision 5, which serves as revision 9: login broken", e.Why)
	require.Equal(t, builtImage, e.Serves.Image)
}

func TestADryRunForAPullRequestIsTheCommentOfIt(t *testing.T) {
	plan := record.Record{Command: "deploy", Verdict: record.VerdictOK, Release: &record.Release{Name: "web", Namespace: "prod"}, Changes: []record.Change{{Object: "Deployment/web", Action: record.ActionUpdate, Diff: "+ a"}}}
	for name, c := range map[string]struct {
		permission, ref string
		comments        int
	}{
		"a pull request":     {"pull-requests: write", "refs/pull/5/merge", 1},
		"one of a fork":      {"pull-requests: read", "refs/pull/5/merge", 0},
		"a push to a branch": {"pull-requests: write", "refs/heads/main", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := githubtest.New(t, []string{c.permission})
			d, log, end := told(s, config.Settings{Trial: config.Trial{GitHubComment: config.TellAuto}}, "GITHUB_REF="+c.ref)
			d.comment()
			end(plan)
			require.Len(t, s.Comments(), c.comments)
			require.NotContains(t, log.String(), "level=WARN")
			for _, one := range s.Comments() {
				require.Contains(t, one.Body, "plan web/prod")
				require.Contains(t, one.Body, "| Deployment/web | update |")
			}
		})
	}
}
