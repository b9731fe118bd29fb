package github

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Announcement is one run on GitHub's page of deployments.
type Announcement struct {
	Client *Client
	// Environment is the name on the page.
	Environment string
	// Run is the URL of the run: https://github.com/org/repo/actions/runs/1/attempts/1.
	Run string
	// URL is where users reach what was deployed, "" for nowhere.
	URL string
	// Commit is that of the run; what was built of another is found by its image.
	Commit string
	// Auto leaves it to GitHub where the job has an `environment:` that makes a
	// deployment by itself, and asks for nothing that the token may not.
	Auto bool

	begun sync.WaitGroup
	what  Deployment
	stop  context.CancelFunc
	id    int64 // of what was begun, 0 for nothing
	err   error
	own   bool // the job's own one is there
}

// Ending is how a run ended.
type Ending struct {
	State       State // of what was begun
	Description string
	// Serves is what runs now when that is not what was begun, and Why says so.
	Serves *Deployment
	Why    string
}

// Begin tells that a deployment begins, beside the caller. What became of that [End]
// tells. It does not end with ctx, but with End.
func (a *Announcement) Begin(ctx context.Context, d Deployment) {
	ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx))
	a.what = d
	a.begun.Go(func() {
		a.err = record.Guard(func() error { return a.begin(ctx, d) })
	})
}

func (a *Announcement) begin(ctx context.Context, d Deployment) error {
	known, err := a.Client.list(ctx, "")
	if err != nil {
		return err
	}
	if a.own, err = a.isOwn(ctx, known); a.own || err != nil {
		return err
	}
	d.Environment, d.Commit = a.Environment, a.Commit
	// An image that was promoted was built of the commit that it was deployed with first.
	if first := firstOf(known, d.Image); first != nil {
		d.Commit = first.Commit
	}
	if a.id, err = a.Client.create(ctx, d); err != nil {
		return err
	}
	return a.Client.set(ctx, a.id, status{state: InProgress, run: a.Run, description: "deploying " + d.Image})
}

// maxAsked bounds for how many deployments their state is asked.
const maxAsked = 3

// isOwn reports whether GitHub makes a deployment for this job by itself: there is one
// that is not ours, in the works, with a log in this run.
func (a *Announcement) isOwn(ctx context.Context, known []listed) (bool, error) {
	run, _, _ := strings.Cut(a.Run, "/attempts/")
	asked := 0
	for _, one := range known {
		if one.ours || one.Commit != a.Commit || !a.Auto || asked == maxAsked {
			continue
		}
		asked++
		s, err := a.Client.latest(ctx, one.id)
		if err != nil {
			return false, err
		}
		working := s.state == InProgress || s.state == "queued" || s.state == "pending" || s.state == "waiting"
		if working && strings.HasPrefix(s.run+"/", run+"/") {
			return true, nil
		}
	}
	return false, nil
}

// firstOf is the oldest of our deployments of an image.
func firstOf(known []listed, image string) *listed {
	var found *listed
	for i := range known {
		if known[i].ours && known[i].Image == image {
			found = &known[i]
		}
	}
	return found
}

// End tells how it ended, within ctx. Its error says what GitHub was not told; it is
// nil where GitHub tells it by itself or this job may not, see [Announcement.Auto].
func (a *Announcement) End(ctx context.Context, e Ending) error {
	err := a.end(ctx, e)
	if a.Auto && MayNot(err) {
		return nil
	}
	return err
}

func (a *Announcement) end(ctx context.Context, e Ending) error {
	if err := a.await(ctx); err != nil || a.own {
		return err
	}
	s := status{state: e.State, description: e.Description, run: a.Run, url: a.URL}
	switch {
	case e.Serves == nil && a.id == 0:
		return nil
	case e.Serves == nil && e.State != Success:
		return a.Client.set(ctx, a.id, s)
	}
	all, err := a.Client.list(ctx, a.Environment)
	if err != nil {
		return err
	}
	what := a.what
	if e.Serves != nil {
		what = *e.Serves
	}
	same := of(all, what)
	s.replaces = len(same) == countOurs(all)
	active := a.id
	if a.id != 0 {
		err = a.Client.set(ctx, a.id, s)
	}
	if err == nil && e.Serves != nil {
		s.state, s.description = Success, e.Why
		active, err = a.serve(ctx, same, what, s)
	}
	if err != nil {
		return err
	}
	return a.retire(ctx, same, active)
}

// of are the deployments of the same release.
func of(all []listed, d Deployment) (same []listed) {
	for _, one := range all {
		if one.ours && one.Release == d.Release && one.Namespace == d.Namespace {
			same = append(same, one)
		}
	}
	return same
}

func countOurs(all []listed) (n int) {
	for _, one := range all {
		if one.ours {
			n++
		}
	}
	return n
}

// await waits for the beginning.
func (a *Announcement) await(ctx context.Context) error {
	if a.stop == nil {
		return nil
	}
	defer a.stop()
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = record.Guard(func() error { a.begun.Wait(); return nil })
	}()
	select {
	case <-over:
		return a.err
	case <-ctx.Done():
		return record.Unavailable("github/unavailable", "making a deployment: GitHub did not answer in time")
	}
}

// CodeUnknownCommit is of what runs where no deployment says which commit it was built of.
const CodeUnknownCommit = "github/unknown-commit"

// serve makes what runs the active one: the deployment that it came with if that is the
// newest, otherwise a new one of the same commit.
func (a *Announcement) serve(ctx context.Context, same []listed, d Deployment, s status) (id int64, err error) {
	before := firstOf(same, d.Image)
	switch {
	case before == nil:
		return 0, record.Refused(CodeUnknownCommit, "%s serves, and no deployment in the environment %q says which commit it was built of", d.Image, a.Environment)
	case same[0].Image == d.Image:
		id = same[0].id
	default:
		if err := a.giveUp(ctx, same[0]); err != nil {
			return 0, err
		}
		d.Environment, d.Commit = a.Environment, before.Commit
		if id, err = a.Client.create(ctx, d); err != nil {
			return 0, err
		}
	}
	return id, a.Client.set(ctx, id, s)
}

// giveUp ends a deployment of a run that died over it.
func (a *Announcement) giveUp(ctx context.Context, one listed) error {
	s, err := a.Client.latest(ctx, one.id)
	if err != nil || s.state != InProgress {
		return err
	}
	return a.Client.set(ctx, one.id, status{state: Broken, description: "its run ended before it was judged", run: s.run})
}

// retire makes the deployments of the release before the active one inactive where
// GitHub did not.
func (a *Announcement) retire(ctx context.Context, same []listed, active int64) error {
	asked := 0
	for _, one := range same {
		if one.id == active || asked == maxAsked {
			continue
		}
		asked++
		s, err := a.Client.latest(ctx, one.id)
		if err != nil {
			return err
		}
		if s.state != Success {
			continue
		}
		if err := a.Client.set(ctx, one.id, status{state: Inactive, run: s.run, description: fmt.Sprintf("replaced by deployment %d", active)}); err != nil {
			return err
		}
	}
	return nil
}
