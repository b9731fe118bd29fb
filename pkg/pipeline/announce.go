package pipeline

import (
	"cmp"
	"context"
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/github"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/report"
)

// announce tells GitHub's page of deployments that the image is about to be deployed,
// and at the end what became of it; without an image, what runs at the end only. What
// fails of that is a warning.
func (d *deployment) announce(ctx context.Context, image record.Image) {
	a, err := d.announcement()
	if err != nil {
		d.host.Log.Warn("GitHub's page of deployments is not told", "because", err)
	}
	if a == nil {
		return
	}
	if image.IsBuilt() {
		a.Begin(ctx, github.Deployment{Release: d.options.Release, Namespace: d.options.Namespace, Image: image.String()})
	}
	d.host.AtEnd(func(ctx context.Context, r record.Record) {
		err := a.End(ctx, ending(r, image.IsBuilt()))
		switch {
		case isUnknownCommit(err) && a.Auto:
			d.host.Log.Info("GitHub's page of deployments does not show what runs", "because", err)
		case err != nil:
			d.host.Log.Warn("GitHub's page of deployments may show something else than what runs", "because", err)
		}
	})
}

// comment tells a pull request what a dry run for it found, in one comment per release.
func (d *deployment) comment() {
	number := d.host.Actions.PullRequest()
	if number == 0 {
		return
	}
	key := fmt.Sprintf("plan %s/%s", d.options.Release, d.options.Namespace)
	d.host.tell(d.settings.GitHubComment, "the pull request gets no comment", func(ctx context.Context, client *github.Client, r record.Record) error {
		return client.Comment(ctx, number, key, report.Comment(r, github.MaxComment-len(key)-100))
	})
}

// isUnknownCommit reports whether nothing on GitHub's page leads from what runs to a
// commit, as where the page was not told before.
func isUnknownCommit(err error) bool {
	return record.CodeOf(err) == github.CodeUnknownCommit
}

// announcement is nil where GitHub is not to be told.
func (d *deployment) announcement() (*github.Announcement, error) {
	if d.options.DryRun {
		return nil, nil
	}
	client, err := d.host.teller(d.settings.GitHubDeployment)
	if client == nil || err != nil {
		return nil, err
	}
	return &github.Announcement{
		Client:      client,
		Environment: cmp.Or(d.settings.GitHubEnvironment, d.options.Release+"/"+d.options.Namespace),
		Run:         d.host.Actions.Source().Invocation,
		URL:         cmp.Or(d.settings.GitHubEnvironmentURL, d.settings.PublicURL),
		Commit:      d.host.commit(d.settings),
		Auto:        d.settings.GitHubDeployment == config.TellAuto,
	}, nil
}

// ending is how GitHub's page shows the end of a run that had begun with a deployment,
// or had not.
func ending(r record.Record, begun bool) github.Ending {
	if r.Release == nil {
		return github.Ending{State: github.Broken, Description: "could not tell"}
	}
	at, because := *r.Release, ""
	if r.Cause != nil {
		because = " (" + r.Cause.Code + ")"
	}
	e := github.Ending{State: github.Broken, Description: fmt.Sprintf("could not tell; revision %d is live", at.Live)}
	switch r.Verdict {
	case record.VerdictGood:
		e.State, e.Description = github.Success, fmt.Sprintf("revision %d is live and verified good", at.Live)
		if !begun {
			e.Serves, e.Why = serves(at), e.Description
			if r.Command == "rollback" {
				e.Why = fmt.Sprintf("rolled back by hand to revision %d, which serves as revision %d: %s", at.RollbackTarget, at.Live, cmp.Or(r.Reason, "no reason given"))
			}
		}
	case record.VerdictRolledBack:
		e.State = github.Failure
		e.Description = fmt.Sprintf("revision %d did not pass%s; revision %d, a copy of %d, serves", at.Revision, because, at.Live, at.RollbackTarget)
		e.Serves, e.Why = serves(at), fmt.Sprintf("serves again as revision %d, a copy of %d: revision %d did not pass%s", at.Live, at.RollbackTarget, at.Revision, because)
	case record.VerdictRefused:
		e.State, e.Description = github.Failure, fmt.Sprintf("refused, %s; revision %d is live", r.Changed(), at.Live)
	case record.VerdictNeedsHuman:
		e.State, e.Description = github.Failure, fmt.Sprintf("a human is needed%s; revision %d is live", because, at.Live)
	case record.VerdictCancelled:
		e.Description = fmt.Sprintf("cancelled%s; revision %d is live", because, at.Live)
	case record.VerdictOK:
		e.State, e.Description = github.Success, fmt.Sprintf("revision %d is applied; nothing runs, on purpose", at.Live)
	case record.VerdictUnknown, record.VerdictError:
	}
	return e
}

// serves is what is live, nil when its image is not known.
func serves(at record.Release) *github.Deployment {
	if at.LiveImage == "" {
		return nil
	}
	return &github.Deployment{Release: at.Name, Namespace: at.Namespace, Image: at.LiveImage}
}
